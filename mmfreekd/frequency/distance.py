"""The frequency distance: what the student is trained on (section 3.3)."""

from typing import Optional, Sequence

import torch
from torch import Tensor

from .bands import check_layout
from .masks import full_precision, mask_per_level
from .wavelet import wavedec2

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
) -> Tensor:
    r"""Compare two features band by band under the teacher's masks.

    .. math::
        L = \sum_b \mathrm{mean}\left(w \, \bar M_b
            \left|\mathrm{DWT}_b(t) - \mathrm{DWT}_b(s)\right|\right)

    where the mean runs over every element of a band and M is averaged over
    its T prompts. One mask multiplies both sides and is positive, and the
    transform is linear: so it is the difference that is transformed, once.

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

    Returns:
        Tensor: A scalar, in float32 or wider.

    Raises:
        ValueError: If shapes, layout or reduction do not fit.

    Example:
        >>> frequency_distance(torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8))
        tensor(8.)
    """
    check_layout(levels, band_layout)
    if reduction not in REDUCTIONS:
        raise ValueError(
            f'reduction must be one of {REDUCTIONS}, got {reduction!r}'
        )
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
    with torch.autocast(s_feature.device.type, enabled=False):
        difference = full_precision(t_feature) - full_precision(s_feature)
        bands = wavedec2(difference, levels, wavelet)
        parts = [bands.low.abs(), *(d.abs() for d in bands.high)]
        if masks is not None:
            factors = mask_per_level(bands, masks, band_layout, 'mean')
            parts = [part * mask for part, mask in zip(parts, factors)]
        if weights is not None:
            parts = [
                torch.einsum('nc...,nc->nc...', part, weights)
                for part in parts
            ]
        totals = [_reduce(part, reduction) for part in parts[1:]]
        if band_layout == 'subband' and reduction == 'mean':
            # three bands of one size: three means are 3 x the common one
            totals = [3 * total for total in totals]
        if low_band:
            totals.insert(0, _reduce(parts[0], reduction))
        return torch.stack(totals).sum()


def _reduce(x: Tensor, reduction: str) -> Tensor:
    return x.mean() if reduction == 'mean' else x.sum()
