"""The distance in PyTorch's operators, differentiable in everything.

What the faster ways are compared with, and what serves where they cannot.
"""

from typing import Callable, Dict, NamedTuple, Optional, Sequence

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

    levels: int
    band_layout: str
    low_band: bool
    reduction: str
    wavelet: str
    high_weight: float
    prompt_reduction: str
    low_penalty: str
    high_penalty: str
    normalize: bool


def plain_distance(
    s: Tensor,
    t: Tensor,
    masks: Optional[Sequence[Tensor]],
    weights: Optional[Tensor],
    switches: Switches,
) -> Tensor:
    """What ``frequency_distance`` says, as it says it."""
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
    totals = [
        count * _reduce(part, switches.band_layout, switches.reduction)
        for count, part in zip(counts, parts)
        if count
    ]
    return torch.stack(totals).sum()


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
        variance, mean = torch.var_mean(
            x, dim=(0, 2, 3), correction=0, keepdim=True
        )
        return (x - mean) / (variance + TINY).sqrt()


def _reduce(part: Tensor, band_layout: str, reduction: str) -> Tensor:
    """Reduce the low band ``(N, C, h, w)`` or a level ``(N, C, 3, h, w)``."""
    if reduction == 'sum':
        return part.sum()
    # three bands of one size: three means are 3 x the common one
    bands = part.size(2) if part.dim() == 5 and band_layout == 'subband' else 1
    return bands * part.mean()
