"""Slow and plain restatements of the paper, to compare the package with.

Nothing here imports mmfreekd. Bands are dicts by name, such as
``level1_horizontal``, so that no order has to be agreed on.
"""

import pywt
import torch
import torch.nn.functional as F

# what PyWavelets calls them: cH, cV, cD
ORIENTATIONS = ('horizontal', 'vertical', 'diagonal')


def pywt_bands(x, levels, wavelet='haar'):
    """The bands of ``x`` as PyWavelets takes them, in float64."""
    low, bands = x.detach().double().numpy(), {}
    for level in range(1, levels + 1):
        low, details = pywt.dwt2(low, wavelet, mode='zero')
        for name, detail in zip(ORIENTATIONS, details, strict=True):
            bands[f'level{level}_{name}'] = torch.from_numpy(detail)
    return dict(bands, low=torch.from_numpy(low))


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


def overlap_of(masks, kind):
    """The overlap of masks, pair by pair."""
    values = []
    for mask in masks:
        num, num_prompts = mask.shape[:2]
        for n in range(num):
            for i in range(num_prompts):
                for j in range(num_prompts):
                    a, b = mask[n, i], mask[n, j]
                    both = (a * b).sum()
                    squares = (a * a).sum() + (b * b).sum()
                    if kind == 'jaccard':
                        values.append(both / (squares - both))
                    elif i != j:
                        values.append(2 * both / squares)
    return torch.stack(values).mean() if values else torch.zeros(())


def distance_of(
    s,
    t,
    masks=None,
    weights=None,
    levels=3,
    band_layout='subband',
    low_band=True,
    reduction='mean',
):
    """The frequency distance: both sides transformed, masked, compared."""
    s_bands, t_bands = haar_bands(s, levels), haar_bands(t, levels)
    total = 0
    for b, names in enumerate(split_names(levels, band_layout)):
        if names == ['low'] and not low_band:
            continue
        elements = []
        for name in names:
            shape = s_bands[name].shape
            mask = torch.ones(shape[0], 1, *shape[2:], dtype=s.dtype)
            mask = mask if masks is None else masks[b]
            per_prompt = []
            for i in range(mask.size(1)):
                m = mask[:, i : i + 1]
                d = (m * t_bands[name] - m * s_bands[name]).abs()
                if weights is not None:
                    d = d * weights[:, :, None, None]
                per_prompt.append(d)
            # (T, N, C, h, w) -> (N, C, h, w)
            elements.append(torch.stack(per_prompt).mean(0))
        elements = torch.stack(elements)
        total = total + (
            elements.mean() if reduction == 'mean' else elements.sum()
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
