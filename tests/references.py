"""Slow and plain restatements of the paper, to compare the package with.

Nothing here imports mmfreekd. Bands are dicts by name, such as
``level1_horizontal``, so that no order has to be agreed on.
"""

import itertools
import math

import pywt
import torch
import torch.nn.functional as F

# what PyWavelets calls them: cH, cV, cD
ORIENTATIONS = ('horizontal', 'vertical', 'diagonal')


def pywt_bands(x, levels, wavelet='haar'):
    """The bands of ``x`` as PyWavelets takes them, in float64."""
    low, bands = x.detach().cpu().double().numpy(), {}
    for level in range(1, levels + 1):
        low, details = pywt.dwt2(low, wavelet, mode='zero')
        for name, detail in zip(ORIENTATIONS, details, strict=True):
            detail = torch.from_numpy(detail).to(x.device)
            bands[f'level{level}_{name}'] = detail
    return dict(bands, low=torch.from_numpy(low).to(x.device))


def haar_bands(x, levels):
    """The same for Haar, with the four 2x2 kernels spelled out."""
    kernels = (
        0.5
        * x.new_tensor(
            [
                [[1, 1], [1, 1]],  # low
                [[1, 1], [-1, -1]],  # horizontal edges: rows differ
                [[1, -1], [1, -1]],  # vertical edges: columns differ
                [[1, -1], [-1, 1]],  # diagonal
            ]
        )[:, None]
    )
    low, bands = x, {}
    for level in range(1, levels + 1):
        num, channels, height, width = low.shape
        low = F.pad(low, (0, width % 2, 0, height % 2))
        out = F.conv2d(
            low.reshape(num * channels, 1, *low.shape[2:]), kernels, stride=2
        )
        out = out.reshape(num, channels, 4, *out.shape[2:])
        low = out[:, :, 0]
        for i, name in enumerate(ORIENTATIONS):
            bands[f'level{level}_{name}'] = out[:, :, i + 1]
    return dict(bands, low=low)


def split_names(levels, band_layout):
    """For each masked band, in order, the bands that it covers."""
    groups = [['low']]
    for level in range(1, levels + 1):
        names = [f'level{level}_{name}' for name in ORIENTATIONS]
        groups += [names] if band_layout == 'level' else [[n] for n in names]
    return groups


def masks_of(x, prompts, levels, band_layout):
    """The masks, pixel by pixel and prompt by prompt."""
    bands = haar_bands(x, levels)
    masks = []
    for b, names in enumerate(split_names(levels, band_layout)):
        band = sum(bands[name] for name in names)
        num, channels, height, width = band.shape
        mask = torch.zeros(num, prompts.size(1), height, width, dtype=x.dtype)
        for t in range(prompts.size(1)):
            logit = 0
            for c in range(channels):
                logit = logit + prompts[b, t, c] * band[:, c]
            mask[:, t] = 1 / (1 + torch.exp(-logit))
        masks.append(mask)
    return masks


def refined_of(t_masks, s_masks):
    """The teacher's masks times the student's, pixel by pixel."""
    refined = []
    for t_mask, s_mask in zip(t_masks, s_masks, strict=True):
        mask = torch.empty_like(t_mask)
        for pixel in itertools.product(*map(range, mask.shape)):
            mask[pixel] = t_mask[pixel] * s_mask[pixel]
        refined.append(mask)
    return refined


def overlap_of(masks, kind, diagonal):
    """The overlap of masks, pair by pair."""
    values = []
    for mask in masks:
        num, num_prompts = mask.shape[:2]
        for n in range(num):
            for i in range(num_prompts):
                for j in range(num_prompts):
                    if i == j and not diagonal:
                        continue
                    a, b = mask[n, i], mask[n, j]
                    both = (a * b).sum()
                    squares = (a * a).sum() + (b * b).sum()
                    if kind == 'jaccard':
                        values.append(both / (squares - both))
                    else:
                        values.append(2 * both / squares)
    if not values:
        return 0 * sum(mask.sum() for mask in masks)
    return torch.stack(values).mean()


def normalized_of(x):
    """Each channel with mean 0 and deviation 1 over batch and space."""
    channels = []
    for channel in x.unbind(1):
        mean = channel.sum() / channel.numel()
        variance = ((channel - mean) ** 2).sum() / channel.numel()
        # a channel that is the same everywhere has no deviation
        channels.append((channel - mean) / torch.sqrt(variance + 1e-6))
    return torch.stack(channels, dim=1)


def averaged_of(x, size):
    """A map averaged down to ``size``, cell by cell."""
    out = torch.empty(*x.shape[:2], *size, dtype=x.dtype)
    for i, j in itertools.product(*map(range, size)):
        (top, bottom), (left, right) = (
            (math.floor(k * n / m), math.ceil((k + 1) * n / m))
            for k, n, m in zip((i, j), x.shape[2:], size, strict=True)
        )
        out[..., i, j] = x[..., top:bottom, left:right].mean(dim=(2, 3))
    return out


def halved_of(x):
    """A map at half its size; a last odd row or column stands alone."""
    size = [math.ceil(n / 2) for n in x.shape[2:]]
    out = torch.empty(*x.shape[:2], *size, dtype=x.dtype)
    for i, j in itertools.product(*map(range, size)):
        block = x[..., 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        out[..., i, j] = block.mean(dim=(2, 3))
    return out


def relation_of(feature, context, dim):
    """softmax of the mean over pixels of context_i * feature_j, in loops."""
    size = [min(a, b) for a, b in zip(feature.shape[2:], context.shape[2:])]
    feature, context = averaged_of(feature, size), averaged_of(context, size)
    batch, channels = feature.shape[:2]
    out = torch.empty(batch, channels, channels, dtype=feature.dtype)
    for n in range(batch):
        for i, j in itertools.product(range(channels), repeat=2):
            out[n, i, j] = (context[n, i] * feature[n, j]).mean()
        exps = [[math.exp(v) for v in row] for row in out[n]]
        for i, j in itertools.product(range(channels), repeat=2):
            total = sum(exps[i]) if dim == -1 else sum(row[j] for row in exps)
            out[n, i, j] = exps[i][j] / total
    return out


def position_weights_of(feature, context=None, dim=-1):
    """How much each channel is related to altogether, with mean 1."""
    if context is None:
        context = halved_of(feature)
    relation = relation_of(feature, context, dim)
    batch, channels = feature.shape[:2]
    weights = torch.empty(batch, channels, dtype=feature.dtype)
    for n, c in itertools.product(range(batch), range(channels)):
        weights[n, c] = sum(
            relation[n, k, c] if dim == -1 else relation[n, c, k]
            for k in range(channels)
        )
    return weights / (weights.sum(1, keepdim=True) / channels)


# what a difference costs
PENALTIES = dict(
    l1=lambda d: d.abs(),
    mse=lambda d: d * d,
    log_mse=lambda d: (d.sign() * torch.log(1 + d.abs())) ** 2,
)


def distance_of(
    s,
    t,
    masks=None,
    weights=None,
    levels=3,
    band_layout='subband',
    low_band=True,
    reduction='mean',
    high_weight=1,
    prompt_reduction='mean',
    low_penalty='l1',
    high_penalty='l1',
):
    """The frequency distance: both sides transformed, masked, compared."""
    s_bands, t_bands = haar_bands(s, levels), haar_bands(t, levels)
    total = 0
    for b, names in enumerate(split_names(levels, band_layout)):
        is_low = names == ['low']
        counts = low_band if is_low else high_weight
        penalty = low_penalty if is_low else high_penalty
        elements = []
        for name in names:
            shape = s_bands[name].shape
            mask = torch.ones(shape[0], 1, *shape[2:], dtype=s.dtype)
            mask = mask if masks is None else masks[b]
            per_prompt = []
            for i in range(mask.size(1)):
                m = mask[:, i : i + 1]
                if penalty == 'l1':
                    d = (m * t_bands[name] - m * s_bands[name]).abs()
                else:
                    d = m * PENALTIES[penalty](t_bands[name] - s_bands[name])
                if weights is not None:
                    d = d * weights[:, :, None, None]
                per_prompt.append(d)
            # (T, N, C, h, w) -> (N, C, h, w)
            per_prompt = torch.stack(per_prompt)
            reduce = dict(mean=torch.mean, sum=torch.sum, max=torch.amax)
            elements.append(reduce[prompt_reduction](per_prompt, 0))
        elements = torch.stack(elements)
        total = total + counts * (
            elements.mean() if reduction == 'mean' else elements.sum()
        )
    return total


def freekd_of(
    s_levels,
    t_levels,
    prompts=None,
    sides=(),
    normalize=False,
    refine_masks=False,
    levels=3,
    band_layout='subband',
    **distance,
):
    """The whole loss of a pyramid, put together by hand.

    ``sides`` are those whose relations weigh the channels.
    """
    total = 0
    for i, (s, t) in enumerate(zip(s_levels, t_levels, strict=True)):
        masks, weights = None, None
        if prompts is not None:
            layout = prompts[i], levels, band_layout
            masks = masks_of(t, *layout)
            if refine_masks:
                masks = refined_of(masks, masks_of(s.detach(), *layout))
        if sides:
            weights = 1
            for side in sides:
                pyramid = dict(student=s_levels, teacher=t_levels)[side]
                pair = [x.detach() for x in pyramid[i : i + 2]]
                weights = weights * position_weights_of(*pair)
            weights = weights / weights.mean(1, keepdim=True)
        if normalize:
            s, t = normalized_of(s), normalized_of(t)
        total = total + distance_of(
            s, t, masks, weights, levels, band_layout, **distance
        )
    return total


def official_loss(s_levels, t_levels, prompts):
    """The loss of the official release, as the paper's notes state it.

    Three Haar levels, a mask for each level from the sum of its three
    orientations; the mean over (N, T, C, 3, h, w) for each level, levels
    added, pyramid levels added, the low band left out.
    """
    total = 0
    for s, t, prompt in zip(s_levels, t_levels, prompts, strict=True):
        s_bands, t_bands = haar_bands(s, 3), haar_bands(t, 3)
        for level in (1, 2, 3):
            names = [f'level{level}_{name}' for name in ORIENTATIONS]
            a = torch.stack([t_bands[n] for n in names], dim=2)
            b = torch.stack([s_bands[n] for n in names], dim=2)
            mask = torch.sigmoid(
                torch.einsum('tc,nchw->nthw', prompt[level], a.sum(2))
            )
            mask = mask[:, :, None, None]  # (N, T, 1, 1, h, w)
            total = (
                total + (mask * a[:, None] - mask * b[:, None]).abs().mean()
            )
    return total
