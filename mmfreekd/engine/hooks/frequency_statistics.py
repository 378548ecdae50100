"""What a training says of its bands and masks, as numbers for a log."""

from typing import Dict, List, Sequence

import torch
from torch import Tensor

from ...frequency import distance_per_band, mask_overlap
from ...models.losses import FreeKDLoss
from ...models.pyramid import Feature, pyramid_levels

Masks = List[Tensor]


@torch.no_grad()
def loss_statistics(
    loss: FreeKDLoss, s_feature: Feature, t_feature: Feature
) -> Dict[str, Tensor]:
    """Take a loss apart: what each band of each pyramid level adds to it.

    Args:
        loss (FreeKDLoss): The loss.
        s_feature (Tensor | tuple[Tensor]): The student's feature, as the
            loss was given it.
        t_feature (Tensor | tuple[Tensor]): The teacher's.

    Returns:
        dict[str, Tensor]: ``pyramid{i}/{band}``, which add up to the loss;
        with prompts also those of :func:`mask_statistics`.
    """
    num_levels = len(loss.channels)
    students, teachers = (
        pyramid_levels(feature, num_levels, 'FreeKDLoss')
        for feature in (s_feature, t_feature)
    )
    weights = [None] * num_levels
    if loss.gate is not None:
        weights = loss.gate(students, teachers)
    statistics, every = {}, []
    for level, (s, t) in enumerate(zip(students, teachers)):
        masks = loss.masks(s, t, level)
        every += [] if masks is None else [masks]
        parts = distance_per_band(
            s,
            t,
            masks,
            weights[level],
            normalize=loss.preset.normalize,
            loss_weight=loss.loss_weight,
            **loss.preset.distance,
        )
        for band, part in parts.items():
            statistics[f'pyramid{level}/{band}'] = part
    return {**statistics, **mask_statistics(every)}


@torch.no_grad()
def mask_statistics(masks: Sequence[Masks]) -> Dict[str, Tensor]:
    """Mean and overlap of masks, where every band counts alike.

    Args:
        masks (list[list[Tensor]]): For each pyramid level its B masks
            ``(N, T, h_b, w_b)``.

    Returns:
        dict[str, Tensor]: ``mask_mean`` and ``mask_overlap``; empty without
        masks.
    """
    every = [mask for level in masks for mask in level]
    if not every:
        return {}
    return dict(
        mask_mean=torch.stack([mask.mean() for mask in every]).mean(),
        mask_overlap=mask_overlap(every),
    )
