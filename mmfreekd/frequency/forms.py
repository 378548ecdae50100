"""Which form computes a distance."""

from typing import Optional, Sequence

import torch
from torch import Tensor

from . import triton_form
from .autograd import BlockForm, with_gradient_by_hand
from .haar import haar_matrix, has_matrix, of_rows
from .masks import PROMPT_REDUCTIONS, full_precision
from .reference import Switches, plain_distance
from .task import Task, band_factors


def distance(
    s: Tensor, t: Tensor, weights: Optional[Tensor], task: Task
) -> Tensor:
    """The distance of two features, by the fastest form that suits.

    Args:
        s (Tensor): The student's feature ``(N, C, H, W)``.
        t (Tensor): The teacher's.
        weights (Tensor, optional): ``(N, C)``.
        task (Task): Everything else.

    Returns:
        Tensor: A scalar.
    """

    def plain(s: Tensor, t: Tensor, weights: Optional[Tensor]) -> Tensor:
        return plain_distance(s, t, task.maps(s, t), weights, task.switches)

    if not _suits(t, task):
        return plain(s, t, weights)
    if triton_form.usable(s, t, weights, task):
        form = triton_form.build(s, t, task)
        return with_gradient_by_hand(s, t, weights, form, plain)
    penalty = one_penalty(task.switches)
    if penalty is None:
        return plain(s, t, weights)
    s, t = full_precision(s), full_precision(t)
    factors = band_factors(s.shape, task.switches)
    form = BlockForm(
        haar_matrix(s, task.switches.levels, [bool(f) for f in factors]),
        _shares(s, t, task, factors),
        task.switches.levels,
        penalty,
        bool(factors[0]),
        task.switches.normalize,
    )
    return with_gradient_by_hand(s, t, weights, form, plain)


def one_penalty(switches: Switches) -> Optional[str]:
    """The penalty of all bands that count; None if it is not one norm."""
    penalties = set()
    if switches.low_band:
        penalties.add(switches.low_penalty)
    if switches.high_weight:
        penalties.add(switches.high_penalty)
    return penalties.pop() if penalties in ({'l1'}, {'mse'}) else None


def _suits(t: Tensor, task: Task) -> bool:
    """Whether a form with its gradient by hand can take this on."""
    wanted = torch.is_grad_enabled() and any(
        x.requires_grad for x in (t, *(task.masks or ()))
    )
    switches = task.switches
    return (
        not wanted
        and has_matrix(switches.levels, switches.wavelet)
        and switches.loss_weight >= 0
    )


def _shares(
    s: Tensor, t: Tensor, task: Task, given: Sequence[float]
) -> Tensor:
    """What each coefficient of a block counts, see :class:`.BlockForm`."""
    switches, masks = task.switches, task.blocks(s, t)
    factors = of_rows(s, switches.levels, given)
    if masks is None:
        return factors
    num_prompts, reduction = masks.size(2), switches.prompt_reduction
    if reduction == 'max' and num_prompts > 1:
        masks = PROMPT_REDUCTIONS[reduction](masks, dim=2, keepdim=True)
        num_prompts = 1
    elif reduction == 'mean':
        factors = of_rows(s, switches.levels, [f / num_prompts for f in given])
    # (4^J, N * L, T) @ (4^J, T, 1), rows last: (N * L, 1, 4^J)
    of_prompts = factors.view(-1, 1, 1).expand(-1, num_prompts, 1)
    return torch.bmm(masks, of_prompts).permute(1, 2, 0)
