"""A distance to compute: its masks and what each band counts."""

from typing import List, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from .masks import (
    PROMPT_REDUCTIONS,
    block_masks,
    blocks_of_maps,
    frequency_masks,
)
from .reference import Switches
from .wavelet import band_sizes


class Task(NamedTuple):
    """What ``frequency_distance`` is given beside features and weights."""

    masks: Optional[Sequence[Tensor]]
    prompts: Optional[Tensor]
    refine_masks: bool
    switches: Switches

    def maps(self, s: Tensor, t: Tensor) -> Optional[Sequence[Tensor]]:
        """One mask ``(N, T, h_b, w_b)`` for each band, or None."""
        if self.prompts is None:
            return self.masks
        layout = self.switches[:2]
        with torch.no_grad():
            masks = frequency_masks(
                t, self.prompts, *layout, self.switches.wavelet
            )
            if self.refine_masks:
                of_student = frequency_masks(
                    s, self.prompts, *layout, self.switches.wavelet
                )
                masks = [a * b for a, b in zip(masks, of_student)]
        return masks

    @torch.no_grad()
    def blocks(self, s: Tensor, t: Tensor) -> Optional[Tensor]:
        """The same as ``(4^J, N * L, T)``, see :func:`.masks.block_masks`."""
        switches = self.switches
        layout = switches.levels, switches.band_layout
        if self.prompts is not None:
            masks = block_masks(t, self.prompts, *layout)
            if self.refine_masks:
                masks *= block_masks(s, self.prompts, *layout)
            return masks
        if self.masks is None:
            return None
        reduce = PROMPT_REDUCTIONS[switches.prompt_reduction]
        maps = [reduce(mask, dim=1, keepdim=True) for mask in self.masks]
        maps = [mask.expand(len(s), -1, -1, -1).to(s) for mask in maps]
        return blocks_of_maps(maps, *layout)


def band_factors(shape: Sequence[int], switches: Switches) -> List[float]:
    """What a coefficient of each of the 1 + 3J bands counts.

    Args:
        shape (Sequence[int]): That of the feature, ``(N, C, H, W)``.
        switches (Switches): The choices of the distance.
    """
    num, channels, *size = shape
    sizes = band_sizes(size, switches.levels)
    factors = []
    for band in range(1 + 3 * switches.levels):
        factor = float(switches.high_weight if band else switches.low_band)
        if switches.reduction == 'mean':
            height, width = sizes[-(-band // 3)]
            factor /= num * channels * height * width
            factor /= 3 if band and switches.band_layout == 'level' else 1
        factors.append(factor * switches.loss_weight)
    return factors
