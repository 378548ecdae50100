"""Frequency masks: what of each band is worth imitating (section 3.2)."""

import math
from typing import Callable, Dict, List, Sequence

import torch
from torch import Tensor

from .bands import FrequencyBands, band_names, num_bands
from .haar import (
    block_view,
    has_matrix,
    mask_matrix,
    pad_to_blocks,
    padded_size,
    row_counts,
)
from .wavelet import band_sizes, wavedec2

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
    check_prompts(prompts, x, levels, band_layout)
    if has_matrix(levels, wavelet):
        blocks = block_masks(x, prompts, levels, band_layout)
        return _maps_of_blocks(blocks, x, levels, band_layout)
    with torch.autocast(x.device.type, enabled=False):
        low, high = wavedec2(project(x, prompts), levels, wavelet)
        # (N, B * T, ...) -> (N, B, T, ...)
        low, *high = (
            band.unflatten(1, prompts.shape[:2]) for band in (low, *high)
        )
        logits = [low[:, 0]]
        for details in high:
            band = len(logits)
            if band_layout == 'level':
                logits.append(details[:, band].sum(dim=2))
            else:
                logits += [details[:, band + i, :, i] for i in range(3)]
        return [torch.sigmoid(logit) for logit in logits]


def block_masks(
    x: Tensor, prompts: Tensor, levels: int, band_layout: str
) -> Tensor:
    """The masks of :func:`frequency_masks`, laid out as blocks are.

    Args:
        x (Tensor): The teacher's feature ``(N, C, H, W)``.
        prompts (Tensor): ``(B, T, C)``.
        levels (int): Wavelet levels J that :mod:`.haar` has a matrix for.
        band_layout (str): See :func:`frequency_masks`.

    Returns:
        Tensor: ``(4^J, N * L, T)``, rows as :func:`.haar.haar_matrix` has
        them, for the L blocks of each image.
    """
    side = 2**levels
    with torch.autocast(x.device.type, enabled=False):
        maps = pad_to_blocks(project(x, prompts), side)
        # (N, B * T, H', W') -> (N * L * T, B * 4^J)
        blocks = block_view(maps, side).unflatten(3, prompts.shape[:2])
        blocks = blocks.transpose(3, 4).flatten(4).flatten(0, 3)
        logits = mask_matrix(maps, levels, band_layout) @ blocks.T
        return logits.sigmoid().unflatten(1, (-1, prompts.size(1)))


def project(x: Tensor, prompts: Tensor) -> Tensor:
    """A feature ``(N, C, H, W)`` onto all prompts: ``(N, B * T, H, W)``.

    A matrix product and no convolution, which on a GPU would round to TF32
    unless it is told not to; a matrix product does so only if it is told.
    """
    x, prompts = full_precision(x), full_precision(prompts)
    rows = prompts.flatten(0, 1).expand(len(x), -1, -1)
    return torch.bmm(rows, x.flatten(2)).unflatten(2, x.shape[2:])


def _maps_of_blocks(
    blocks: Tensor, x: Tensor, levels: int, band_layout: str
) -> List[Tensor]:
    """:func:`block_masks` as one map ``(N, T, h_b, w_b)`` for each band."""
    side, step = 2**levels, 3 if band_layout == 'level' else 1
    down, across = (n // side for n in padded_size(x.shape[2:], side))
    low, *high = blocks.split(row_counts(levels))
    sizes = band_sizes(x.shape[2:], levels)
    maps = []
    for i, band in enumerate((low, *high[::step])):
        height, width = sizes[-(-i * step // 3)]
        rows = math.isqrt(len(band))
        # (r * r, N * L, T) -> (N, T, h * r, w * r)
        band = band.view(rows, rows, len(x), down, across, band.size(-1))
        band = band.permute(2, 5, 3, 0, 4, 1).flatten(4).flatten(2, 3)
        maps.append(band[..., :height, :width])
    return maps


def blocks_of_maps(
    maps: Sequence[Tensor], levels: int, band_layout: str
) -> Tensor:
    """The inverse: B maps ``(N, 1, h_b, w_b)`` to ``(4^J, N * L, 1)``."""
    low, *high = maps
    if band_layout == 'level':
        high = [level for level in high for _ in range(3)]
    blocks = []
    for band, count in zip((low, *high), row_counts(levels)):
        rows = math.isqrt(count)
        # (N, 1, h, w) -> (N * L, 1, r * r) -> (r * r, N * L, 1)
        band = block_view(pad_to_blocks(band, rows), rows)
        blocks.append(band.flatten(4).flatten(0, 2).permute(2, 0, 1))
    return torch.cat(blocks)


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


def check_prompts(
    prompts: Tensor, x: Tensor, levels: int, band_layout: str
) -> None:
    """Raise ``ValueError`` unless prompts fit a feature.

    Args:
        prompts (Tensor): What should be ``(B, T, C)``.
        x (Tensor): The feature ``(N, C, H, W)``.
        levels (int): Wavelet levels J.
        band_layout (str): The layout of the prompts.
    """
    bands = num_bands(levels, band_layout)
    if prompts.dim() != 3 or (len(prompts), prompts.size(2)) != (
        bands,
        x.size(1),
    ):
        raise ValueError(
            f'prompts must be (B, T, C) with B = {bands} bands (levels='
            f'{levels}, band_layout={band_layout!r}) and C = {x.size(1)} '
            f'channels as the feature has, got {tuple(prompts.shape)}'
        )


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
