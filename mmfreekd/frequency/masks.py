"""Frequency masks: what of each band is worth imitating (section 3.2)."""

from typing import Callable, Dict, List, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import native
from .bands import FrequencyBands, band_names, num_bands
from .wavelet import wavedec2

PROMPT_REDUCTIONS: Dict[str, Callable] = dict(
    mean=torch.mean, sum=torch.sum, max=torch.amax
)


def frequency_masks(
    x: Tensor,
    prompts: Tensor,
    levels: int = 3,
    band_layout: str = 'subband',
    wavelet: str = 'haar',
) -> List[Tensor]:
    r"""Turn frequency prompts into masks of a feature's bands (section 3.2).

    .. math:: M_b = \sigma(P_b R_b), \quad R_b = \mathrm{DWT}_b(x)

    The transform acts on space and a prompt on channels, so they commute:
    the C channels are projected onto the prompts first, and only the result
    is transformed.

    Args:
        x (Tensor): The teacher's feature ``(N, C, H, W)``.
        prompts (Tensor): Frequency prompts ``(B, T, C)``, T of them for each
            of the B bands.
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str): ``'subband'``: B = 1 + 3J (the paper);
            ``'level'``: B = 1 + J, a level's mask made from the sum of its
            three orientations (the official code). Defaults to 'subband'.
        wavelet (str): See :func:`wavedec2`. Defaults to 'haar'.

    Returns:
        list[Tensor]: B masks ``(N, T, h_b, w_b)`` with values in (0, 1), in
        float32 or wider. Order: low, then from the finest to the coarsest
        level; inside a level horizontal, vertical, diagonal.

    Raises:
        ValueError: If the prompts do not fit the feature or the layout.

    Example:
        >>> masks = frequency_masks(torch.randn(1, 4, 8, 8),
        ...                         torch.randn(4, 2, 4), levels=1)
        >>> len(masks), masks[0].shape
        (4, torch.Size([1, 2, 4, 4]))
    """
    bands = num_bands(levels, band_layout)
    if (
        prompts.dim() != 3
        or prompts.size(0) != bands
        or (prompts.size(2) != x.size(1))
    ):
        raise ValueError(
            f'prompts must be (B, T, C) with B = {bands} bands (levels='
            f'{levels}, band_layout={band_layout!r}) and C = {x.size(1)} '
            f'channels as the feature has, got {tuple(prompts.shape)}'
        )
    no_gradient = not torch.is_grad_enabled() or not (
        x.requires_grad or prompts.requires_grad
    )
    known = native.has_transform(levels, wavelet)
    if no_gradient and known and native.usable(x, prompts):
        projected = native.project(x, prompts, levels, band_layout)
        return _masks_in_place(projected, x.shape[2:], levels, band_layout)
    num_prompts = prompts.size(1)
    with torch.autocast(x.device.type, enabled=False):
        x, prompts = full_precision(x), full_precision(prompts)
        # (N, C, H, W) -> (N, B * T, H, W)
        projected = F.conv2d(x, prompts.flatten(0, 1)[..., None, None])
        low, high = wavedec2(projected, levels, wavelet)
        # (N, B * T, ...) -> (N, B, T, ...)
        low = low.unflatten(1, (bands, num_prompts))
        logits = [low[:, 0]]
        for details in high:
            details = details.unflatten(1, (bands, num_prompts))
            band = len(logits)
            if band_layout == 'level':
                logits.append(details[:, band].sum(dim=2))
            else:
                logits += [details[:, band + i, :, i] for i in range(3)]
        return [torch.sigmoid(logit) for logit in logits]


def _masks_in_place(
    projected: Tensor, size: Sequence[int], levels: int, band_layout: str
) -> List[Tensor]:
    """The masks of what :func:`.native.project` returned."""
    logits = [
        projected[:, :, rows, columns]
        for rows, columns in native.slots(levels, *size)
    ]
    if band_layout == 'level':
        low, *high = logits
        sums = [sum(high[i : i + 3]) for i in range(0, len(high), 3)]
        logits = [low, *sums]
    return [torch.sigmoid(logit) for logit in logits]


def apply_masks(
    bands: FrequencyBands,
    masks: Sequence[Tensor],
    band_layout: str = 'subband',
) -> FrequencyBands:
    r"""Weigh bands with their masks, summed over the prompts (section 3.2).

    .. math:: \hat R_b = \sum_{i=1}^{T} M_{b,i} \circ R_b

    Args:
        bands (FrequencyBands): The bands of a feature.
        masks (list[Tensor]): B masks ``(N, T, h_b, w_b)``, as
            :func:`frequency_masks` returns them.
        band_layout (str): The layout of the masks. Defaults to 'subband'.

    Returns:
        FrequencyBands: Bands of the same shapes.

    Raises:
        ValueError: If the masks do not fit the bands.
    """
    low, *high = mask_per_level(bands, masks, band_layout, 'sum')
    return FrequencyBands(
        bands.low * low,
        tuple(detail * mask for detail, mask in zip(bands.high, high)),
    )


def mask_per_level(
    bands: FrequencyBands,
    masks: Sequence[Tensor],
    band_layout: str,
    over_prompts: str,
) -> List[Tensor]:
    """Reduce masks over the prompts and group them as the bands are.

    Args:
        bands (FrequencyBands): The bands that will be masked.
        masks (list[Tensor]): B masks ``(N, T, h_b, w_b)``.
        band_layout (str): The layout of the masks.
        over_prompts (str): ``'mean'``, ``'sum'`` or ``'max'`` of T prompts.

    Returns:
        list[Tensor]: ``(N, 1, h, w)`` for the low band, then
        ``(N, 1, 3 or 1, h_j, w_j)`` for each level.

    Raises:
        ValueError: If the masks do not fit the bands.
    """
    sizes = [x.shape[-2:] for x in (bands.low, *bands.high)]
    check_masks(masks, sizes, band_layout)
    reduce = PROMPT_REDUCTIONS[over_prompts]
    low, *high = [reduce(mask, dim=1) for mask in masks]
    # (N, h, w) x repeat -> (N, 1, repeat, h, w)
    repeat = 3 if band_layout == 'subband' else 1
    levels = [
        torch.stack(high[i : i + repeat], dim=1).unsqueeze(1)
        for i in range(0, len(high), repeat)
    ]
    return [low.unsqueeze(1), *levels]


def check_masks(
    masks: Sequence[Tensor], sizes: Sequence[Sequence[int]], band_layout: str
) -> None:
    """Raise ``ValueError`` unless masks fit bands.

    Args:
        masks (list[Tensor]): What should be B masks ``(N, T, h_b, w_b)``.
        sizes (list[tuple[int, int]]): Height and width of the low band, then
            of each level.
        band_layout (str): The layout of the masks.
    """
    names = band_names(len(sizes) - 1, band_layout)
    if len(masks) != len(names):
        raise ValueError(
            f'expected {len(names)} masks ({", ".join(names)}), got '
            f'{len(masks)}: are levels and band_layout those of the prompts?'
        )
    for band, (name, mask) in enumerate(zip(names, masks)):
        # three bands of a level, or one
        level = -(-band // 3) if band_layout == 'subband' else band
        height, width = sizes[level]
        if mask.dim() != 4 or mask.shape[-2:] != (height, width):
            raise ValueError(
                f'the mask of band {name} must be (N, T, {height}, {width}), '
                f'got {tuple(mask.shape)}'
            )


def full_precision(x: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 stay as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
