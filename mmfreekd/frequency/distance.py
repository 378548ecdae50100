"""The frequency distance: what the student is trained on (section 3.3)."""

import math
from typing import Collection, Dict, Optional, Sequence

import torch
from torch import Tensor

from ..errors import UsageError
from .bands import band_names, check_layout
from .forms import distance
from .masks import (
    PROMPT_REDUCTIONS,
    check_masks,
    check_prompts,
    full_precision,
)
from .reference import PENALTIES, Switches, band_distances
from .task import Task
from .wavelet import band_sizes

__all__ = ['check_distance', 'distance_per_band', 'frequency_distance']

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
    prompts: Optional[Tensor] = None,
    refine_masks: bool = False,
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

    Three forms compute it, with equal results up to rounding. Haar with up
    to three levels is a matrix product on blocks of pixels (:mod:`.haar`),
    its gradient made by hand; on a GPU with Triton two kernels do the same
    in fewer passes over memory (:mod:`.triton_form`). Everything else goes
    through :mod:`.reference` and autograd: other wavelets and more levels,
    gradients to masks or teacher, ``torch.compile``, and without Triton
    ``'log_mse'`` or two different penalties.

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
        prompts (Tensor, optional): ``(B, T, C)``, instead of masks: those
            that :func:`frequency_masks` makes of ``t_feature``, without
            gradient. Cheaper than to make them first. Defaults to None.
        refine_masks (bool): Whether the masks that the prompts make of
            ``s_feature`` multiply those of the teacher (FreeKD+). Needs
            prompts. Defaults to False.

    Returns:
        Tensor: A scalar, in float32 or wider; 0 for an empty batch.

    Raises:
        ValueError: If shapes, layout or a choice do not fit.

    Example:
        >>> frequency_distance(torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8))
        tensor(8.)
    """
    switches = Switches(
        levels,
        band_layout,
        bool(low_band),
        reduction,
        wavelet,
        high_weight,
        prompt_reduction,
        low_penalty,
        high_penalty,
        normalize,
        loss_weight,
    )
    task = Task(masks, prompts, refine_masks, switches)
    _check(s_feature, t_feature, weights, task)
    with torch.autocast(s_feature.device.type, enabled=False):
        if not s_feature.numel():
            return full_precision(s_feature).sum()
        return distance(s_feature, t_feature, weights, task)


@torch.no_grad()
def distance_per_band(
    s_feature: Tensor,
    t_feature: Tensor,
    masks: Optional[Sequence[Tensor]] = None,
    weights: Optional[Tensor] = None,
    **choices,
) -> Dict[str, Tensor]:
    """What each band adds to :func:`frequency_distance`, for a log.

    Args:
        s_feature (Tensor): The student's feature ``(N, C, H, W)``.
        t_feature (Tensor): The teacher's, of the same shape.
        masks (list[Tensor], optional): B masks ``(N, T, h_b, w_b)``. Defaults
            to None.
        weights (Tensor, optional): ``(N, C)``. Defaults to None.
        **choices: The other arguments of :func:`frequency_distance`, without
            prompts.

    Returns:
        dict[str, Tensor]: A scalar without gradient for each band that
        counts, by the names of :func:`band_names`.

    Raises:
        ValueError: If shapes, layout or a choice do not fit.
    """
    switches = Switches(**choices)
    _check(s_feature, t_feature, weights, Task(masks, None, False, switches))
    with torch.autocast(s_feature.device.type, enabled=False):
        values = band_distances(s_feature, t_feature, masks, weights, switches)
    low, *high = band_names(switches.levels, switches.band_layout)
    names = [low] * switches.low_band + high * bool(switches.high_weight)
    return dict(zip(names, values.unbind()))


def _check(
    s: Tensor, t: Tensor, weights: Optional[Tensor], task: Task
) -> None:
    switches = task.switches
    check_layout(switches.levels, switches.band_layout)
    _check_choice('reduction', switches.reduction, REDUCTIONS)
    check_distance(
        switches.low_band,
        switches.high_weight,
        switches.prompt_reduction,
        switches.low_penalty,
        switches.high_penalty,
    )
    _check_shapes(s, t, weights)
    if task.masks is not None:
        if task.prompts is not None:
            raise UsageError('expected masks or prompts, got both')
        sizes = band_sizes(s.shape[2:], switches.levels, switches.wavelet)
        check_masks(task.masks, sizes, switches.band_layout)
    if task.prompts is not None:
        check_prompts(task.prompts, t, switches.levels, switches.band_layout)
    elif task.refine_masks:
        raise UsageError(
            'refine_masks needs prompts, got none: refined masks are those '
            'of both features under the same prompts'
        )


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
