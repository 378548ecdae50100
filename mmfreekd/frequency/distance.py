"""The frequency distance: what the student is trained on (section 3.3)."""

import math
from typing import Collection, Optional, Sequence

import torch
from torch import Tensor

from ..errors import UsageError
from .bands import check_layout
from .fused import can_fuse, fused_distance
from .masks import PROMPT_REDUCTIONS, check_masks, full_precision
from .plain import PENALTIES, Switches, normalize_channels, plain_distance
from .wavelet import band_sizes

__all__ = ['check_distance', 'frequency_distance', 'normalize_channels']

REDUCTIONS = ('mean', 'sum')


def frequency_distance(
    s_feature: Tensor,
    t_feature: Tensor,
    masks: Optional[Sequence[Tensor]] = None,
    weights: Optional[Tensor] = None,
    levels: int = 3,
    band_layout: str = 'subband',
    low_band: bool = True,
    reduction: str = 'mean',
    wavelet: str = 'haar',
    high_weight: float = 1.0,
    prompt_reduction: str = 'mean',
    low_penalty: str = 'l1',
    high_penalty: str = 'l1',
    normalize: bool = False,
    loss_weight: float = 1.0,
) -> Tensor:
    r"""Compare two features band by band under the teacher's masks.

    .. math::
        L = \sum_b h_b \, \mathrm{mean}\left(w \, \bar M_b
            \left|\mathrm{DWT}_b(t) - \mathrm{DWT}_b(s)\right|\right)

    where the mean runs over every element of a band, M is averaged over its
    T prompts, and h is 1 for the low band and ``high_weight`` for the others.
    One mask multiplies both sides and is positive, and the transform is
    linear: so it is the difference that is transformed, once.

    Other penalties than the absolute value make the frequency-decoupled
    distance of FreeKD+, as we read its abstract: strict on the low band,
    relaxed on the high ones. The mask then weighs the penalty.

    Where gradients are asked for with regard to ``s_feature`` and ``weights``
    only, they are made together with the value, and no other tensor as large
    as the feature; on a CPU by compiled kernels, see :mod:`.native`. With
    gradients to ``t_feature`` or the masks, and under ``torch.compile``,
    PyTorch differentiates.

    Args:
        s_feature (Tensor): The student's feature ``(N, C, H, W)``.
        t_feature (Tensor): The teacher's feature, of the same shape.
        masks (list[Tensor], optional): B masks ``(N, T, h_b, w_b)`` as
            :func:`frequency_masks` returns them. None: every pixel counts
            as 1. Defaults to None.
        weights (Tensor, optional): Channel weights ``(N, C)``. None: every
            channel counts as 1. Defaults to None.
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str): Which bands are averaged on their own:
            ``'subband'`` each orientation of each level, ``'level'`` the
            three orientations of a level together. Defaults to 'subband'.
        low_band (bool): Whether the low band counts. Defaults to True.
        reduction (str): ``'mean'`` or ``'sum'`` over a band's elements.
            Defaults to 'mean'.
        wavelet (str): See :func:`wavedec2`. Defaults to 'haar'.
        high_weight (float): What the other bands count, 0 for not at all; the
            low one counts 1 if it counts. Defaults to 1.0.
        prompt_reduction (str): ``'mean'``, ``'sum'`` or ``'max'`` of a
            band's T masks. Prompts that stage 1 has tuned nearly add up to
            one mask, so that only the greatest tells one pixel from another.
            Defaults to 'mean'.
        low_penalty (str): What a difference d costs in the low band:
            ``'l1'`` |d|, ``'mse'`` d^2 or ``'log_mse'`` log(1 + |d|)^2.
            Defaults to 'l1'.
        high_penalty (str): The same for the other bands. Defaults to 'l1'.
        normalize (bool): Whether :func:`normalize_channels` takes both
            features first. Defaults to False.
        loss_weight (float): Multiplies the distance; cheaper than to do so
            afterwards. Defaults to 1.0.

    Returns:
        Tensor: A scalar, in float32 or wider; 0 for an empty batch.

    Raises:
        ValueError: If shapes, layout or a choice do not fit.

    Example:
        >>> frequency_distance(torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8))
        tensor(8.)
    """
    check_layout(levels, band_layout)
    _check_choice('reduction', reduction, REDUCTIONS)
    check_distance(
        low_band, high_weight, prompt_reduction, low_penalty, high_penalty
    )
    _check_shapes(s_feature, t_feature, weights)
    if masks is not None:
        sizes = band_sizes(s_feature.shape[2:], levels, wavelet)
        check_masks(masks, sizes, band_layout)
    switches = Switches(
        levels=levels,
        band_layout=band_layout,
        low_band=bool(low_band),
        reduction=reduction,
        wavelet=wavelet,
        high_weight=high_weight,
        prompt_reduction=prompt_reduction,
        low_penalty=low_penalty,
        high_penalty=high_penalty,
        normalize=normalize,
    )
    task = s_feature, t_feature, masks, weights, switches
    with torch.autocast(s_feature.device.type, enabled=False):
        if not s_feature.numel():
            return full_precision(s_feature).sum()
        if can_fuse(t_feature, masks):
            return fused_distance(*task, loss_weight)
        return loss_weight * plain_distance(*task)


def check_distance(
    low_band: bool,
    high_weight: float,
    prompt_reduction: str,
    low_penalty: str,
    high_penalty: str,
) -> None:
    """Raise ``UsageError`` if a choice of the distance does not fit."""
    _check_choice('prompt_reduction', prompt_reduction, PROMPT_REDUCTIONS)
    _check_choice('low_penalty', low_penalty, PENALTIES)
    _check_choice('high_penalty', high_penalty, PENALTIES)
    if not isinstance(high_weight, (int, float)) or not (
        0 <= high_weight < math.inf
    ):
        raise UsageError(
            'high_weight must be a number, 0 or more and finite, got '
            f'{high_weight!r}'
        )
    if not low_band and not high_weight:
        raise UsageError(
            'no band counts: low_band is False and high_weight is 0'
        )


def _check_choice(name: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise UsageError(
            f'{name} must be one of {tuple(choices)}, got {value!r}'
        )


def _check_shapes(
    s_feature: Tensor, t_feature: Tensor, weights: Optional[Tensor]
) -> None:
    if s_feature.shape != t_feature.shape:
        raise ValueError(
            'the features of student and teacher must have one shape, got '
            f'{tuple(s_feature.shape)} and {tuple(t_feature.shape)}: align '
            'them with a connector such as mmfreekd.FeatureAlignConnector'
        )
    if weights is not None and weights.shape != s_feature.shape[:2]:
        raise ValueError(
            f'weights must be (N, C) = {tuple(s_feature.shape[:2])}, got '
            f'{tuple(weights.shape)}'
        )
