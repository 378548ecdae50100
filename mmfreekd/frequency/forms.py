"""Which form computes a distance."""

from typing import Optional

import torch
from torch import Tensor

from . import triton_form
from .autograd import BlockForm, with_gradient_by_hand
from .haar import has_matrix, scaled_matrix
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
    form = BlockForm(
        _matrix(s, t, task, penalty),
        2**task.switches.levels,
        penalty,
        bool(task.switches.low_band),
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


def _matrix(s: Tensor, t: Tensor, task: Task, penalty: str) -> Tensor:
    """M of each block as :mod:`.autograd` has it, or one of all."""
    switches, masks = task.switches, task.blocks(s, t)
    factors = band_factors(s.shape, switches)
    if masks is not None and masks.size(2) > 1:
        if penalty == 'l1' and switches.prompt_reduction != 'max':
            # the product below adds the prompts up
            if switches.prompt_reduction == 'mean':
                factors = [factor / masks.size(2) for factor in factors]
        else:
            reduce = PROMPT_REDUCTIONS[switches.prompt_reduction]
            masks = reduce(masks, dim=2, keepdim=True)
    if penalty == 'mse':
        factors = [factor**0.5 for factor in factors]
        masks = None if masks is None else masks.sqrt()
    repeats = 1 if masks is None else masks.size(2)
    rows = scaled_matrix(s, switches.levels, factors, repeats)
    if masks is None:
        return rows[:, 0]
    # for each row (N * L, T) @ (T, 4^J), then rows last but one
    return torch.bmm(masks, rows).transpose(0, 1)
