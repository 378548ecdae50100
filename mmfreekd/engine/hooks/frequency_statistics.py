"""What a training says of its bands and masks, as numbers for a log."""

from typing import Dict, List, Optional, Sequence

import torch
from torch import Tensor

from ...frequency import (
    band_names,
    frequency_distance,
    mask_overlap,
    normalize_channels,
    wavedec2,
)
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
        if loss.preset.normalize:
            s, t = normalize_channels(s), normalize_channels(t)
        parts = distance_per_band(
            s, t, masks, weights[level], loss.preset.distance
        )
        for band, part in parts.items():
            statistics[f'pyramid{level}/{band}'] = loss.loss_weight * part
    return {**statistics, **mask_statistics(every)}


def distance_per_band(
    s_feature: Tensor,
    t_feature: Tensor,
    masks: Optional[Masks],
    weights: Optional[Tensor],
    distance: dict,
) -> Dict[str, Tensor]:
    """What each band adds to a distance: all other masks are shut.

    Args:
        s_feature (Tensor): The student's feature ``(N, C, H, W)``.
        t_feature (Tensor): The teacher's, of the same shape.
        masks (list[Tensor], optional): As
            :func:`mmfreekd.frequency.frequency_distance` takes them.
        weights (Tensor, optional): Likewise.
        distance (dict): Its other arguments.

    Returns:
        dict[str, Tensor]: A scalar for each band that counts.
    """
    names = band_names(distance['levels'], distance['band_layout'])
    if masks is None:
        masks = _open_masks(t_feature, distance, len(names))
    counts = [distance['low_band']] + [distance['high_weight']] * len(names)
    parts = {}
    for band, (name, mask) in enumerate(zip(names, masks)):
        if counts[band]:
            alone = [torch.zeros_like(other) for other in masks]
            alone[band] = mask
            parts[name] = frequency_distance(
                s_feature, t_feature, alone, weights, **distance
            )
    return parts


def _open_masks(feature: Tensor, distance: dict, bands: int) -> Masks:
    """Masks of ones, ``(N, 1, h_b, w_b)``."""
    low, high = wavedec2(
        feature[:, :1].float(), distance['levels'], distance['wavelet']
    )
    each = (bands - 1) // len(high)  # orientations with a mask of their own
    details = [level[:, :, 0] for level in high for _ in range(each)]
    return [torch.ones_like(band) for band in (low, *details)]


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
