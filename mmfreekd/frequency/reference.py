"""The distance as the paper has it, in operators that autograd knows.

What the faster forms are compared with, and what serves where they do not.
"""

from typing import Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from .masks import full_precision, mask_per_level
from .wavelet import wavedec2

PENALTIES: Dict[str, Callable[[Tensor], Tensor]] = dict(
    l1=torch.abs,
    mse=torch.square,
    log_mse=lambda difference: difference.abs().log1p().square(),
)
TINY = 1e-6  # a channel that is the same everywhere has no deviation


class Switches(NamedTuple):
    """The choices of ``frequency_distance``, by the names that it has."""

    levels: int = 3
    band_layout: str = 'subband'
    low_band: bool = True
    reduction: str = 'mean'
    wavelet: str = 'haar'
    high_weight: float = 1.0
    prompt_reduction: str = 'mean'
    low_penalty: str = 'l1'
    high_penalty: str = 'l1'
    normalize: bool = False
    loss_weight: float = 1.0


def plain_distance(
    s: Tensor,
    t: Tensor,
    masks: Optional[Sequence[Tensor]],
    weights: Optional[Tensor],
    switches: Switches,
) -> Tensor:
    """What ``frequency_distance`` computes, step by step."""
    return band_distances(s, t, masks, weights, switches).sum()


def band_distances(
    s: Tensor,
    t: Tensor,
    masks: Optional[Sequence[Tensor]],
    weights: Optional[Tensor],
    switches: Switches,
) -> Tensor:
    """The distance of each of the B bands that counts, in their order."""
    if switches.normalize:
        s, t = normalize_channels(s), normalize_channels(t)
    difference = full_precision(t) - full_precision(s)
    bands = wavedec2(difference, switches.levels, switches.wavelet)
    parts = [PENALTIES[switches.low_penalty](bands.low)]
    parts += [PENALTIES[switches.high_penalty](d) for d in bands.high]
    if masks is not None:
        factors = mask_per_level(
            bands, masks, switches.band_layout, switches.prompt_reduction
        )
        parts = [part * mask for part, mask in zip(parts, factors)]
    if weights is not None:
        parts = [
            torch.einsum('nc...,nc->nc...', part, weights) for part in parts
        ]
    counts = [switches.low_band] + [switches.high_weight] * len(bands.high)
    bands = [
        count * _reduce(part, switches.band_layout, switches.reduction)
        for count, part in zip(counts, parts)
        if count
    ]
    return switches.loss_weight * torch.cat(bands)


def normalize_channels(x: Tensor) -> Tensor:
    """Take each channel to mean 0 and deviation 1 over batch and space.

    A distance of two features then asks for the same patterns, whatever the
    scale of either side.

    Args:
        x (Tensor): ``(N, C, H, W)``.

    Returns:
        Tensor: ``(N, C, H, W)`` in float32 or wider.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = full_precision(x)
        mean, scale = channel_moments(x)
        return (x - mean) * scale


def channel_moments(x: Tensor) -> Tuple[Tensor, Tensor]:
    """Mean and reciprocal deviation of each channel, ``(1, C, 1, 1)``."""
    variance, mean = torch.var_mean(
        x, dim=(0, 2, 3), correction=0, keepdim=True
    )
    return mean, (variance + TINY).rsqrt()


def _reduce(part: Tensor, band_layout: str, reduction: str) -> Tensor:
    """The low band ``(N, C, h, w)`` or a level ``(N, C, 3, h, w)`` as bands.

    Three for a level in the layout ``'subband'``, else one.
    """
    dims = list(range(part.dim()))
    if part.dim() == 5 and band_layout == 'subband':
        dims.remove(2)
    reduced = part.mean(dims) if reduction == 'mean' else part.sum(dims)
    return reduced.view(-1)
