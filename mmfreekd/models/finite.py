"""Numbers that go wrong: found in the loss, then traced to where they began.

What AMP does about gradients that overflow is another matter: that is its
ordinary way to find a loss scale, and nothing of it is looked at here.
"""

import logging
from typing import Any, Dict, Iterator, Tuple

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import MessageHub, print_log
from torch import Tensor

from ..errors import UsageError
from ..frequency import wavedec2
from ..frequency.bands import ORIENTATIONS

CHOICES = ('raise', 'skip')
PATIENCE = 100  # steps in a row; so many are no accident


class FiniteCheck:
    """Stops a training whose loss is not finite, or skips the step.

    Args:
        on_nonfinite (str): ``'raise'`` or ``'skip'``. Several processes that
            wait for each other's gradients can skip a step only with AMP,
            whose gradient scaler does it; without, they raise.

    Raises:
        UsageError: If it is neither.
    """

    def __init__(self, on_nonfinite: str) -> None:
        if on_nonfinite not in CHOICES:
            raise UsageError(
                f'on_nonfinite must be one of {CHOICES}, got {on_nonfinite!r}'
            )
        self.on_nonfinite = on_nonfinite
        self.skipped = 0  # in a row
        self.reported = False

    def __call__(
        self,
        loss: Tensor,
        losses: Dict[str, Any],
        tensors: Iterator[Tuple[str, Tensor]],
        scaled: bool,
    ) -> Tensor:
        """Look at the loss of a step.

        Args:
            loss (Tensor): The sum of what is trained on.
            losses (dict): Its parts.
            tensors (iterator): What the losses were made of, each with where
                it is; only asked for where a loss is not finite.
            scaled (bool): Whether a gradient scaler of AMP takes the step.

        Returns:
            Tensor: The loss; where the step is to be skipped, one from which
            no parameter gets a gradient, so that no optimiser moves it, or,
            for a scaler, one that makes it skip.

        Raises:
            FloatingPointError: If it is not finite, in any process.
        """
        own = loss.detach().isfinite().all()
        everywhere = own.to(torch.int32)
        all_reduce(everywhere, op='min')
        if everywhere:
            self.skipped = 0
            return loss
        self.skipped += 1
        where = 'in another process'
        if not own:
            where = first_nonfinite(tensors, losses)
        iteration = MessageHub.get_current_instance().get_info('iter', 0)
        said = f'iteration {iteration + 1}: not finite {where}'
        cannot_skip = get_world_size() > 1 and not scaled
        if (
            self.on_nonfinite == 'raise'
            or cannot_skip
            or self.skipped > PATIENCE
        ):
            raise FloatingPointError(
                f'{said}. Lower the learning rate or the loss weight, set '
                "optim_wrapper.clip_grad, or model.on_nonfinite='skip' for "
                'single steps (of one process, or with AMP); resume from a '
                'checkpoint before it'
            )
        if not self.reported:
            self.reported = True
            print_log(
                f'{said}. This step is skipped, as all will be that are like '
                'it, without a further message',
                logger='current',
                level=logging.WARNING,
            )
        return loss * torch.nan if scaled else zero_loss(loss)


def zero_loss(loss: Tensor) -> Tensor:
    """A loss that depends on no parameter."""
    return loss.new_zeros((), requires_grad=True)


@torch.no_grad()
def first_nonfinite(
    tensors: Iterator[Tuple[str, Tensor]], losses: Dict[str, Any]
) -> str:
    """Say where the first number is that is not finite.

    Args:
        tensors (iterator): What the losses were made of, in order, each with
            where it is.
        losses (dict): The losses of the step.

    Returns:
        str: The feature and its pyramid level, the band, or the loss.
    """
    for where, x in tensors:
        wrong = int((~x.isfinite()).sum())
        if wrong:
            return f'in {where} ({wrong} of {x.numel()} values)'
    names = [
        name
        for name, value in losses.items()
        if not all(x.isfinite().all() for x in _levels(value))
    ]
    return f'in the loss {", ".join(names) or "as a sum"}'


@torch.no_grad()
def distilled(distiller) -> Iterator[Tuple[str, Tensor]]:
    """Features of teacher and student, then the bands of their difference.

    Args:
        distiller (FreeKDDistiller): With the records of the step.

    Yields:
        tuple[str, Tensor]: Where it is, and the feature or band.
    """
    mappings = distiller.loss_forward_mappings
    if not any(
        r.data_buffer for r in distiller.student_recorders.recorders.values()
    ):
        return  # the distillation was stopped before this run
    records = [r for mapping in mappings.values() for r in mapping.values()]
    # False, the teacher's, before True; as recorded before as connected
    records = sorted(records, key=lambda record: record['from_student'])
    plain = [
        {k: v for k, v in record.items() if 'connector' not in k}
        for record in records
    ]
    for record in plain + [r for r in records if 'connector' in r]:
        who = 'student' if record['from_student'] else 'teacher'
        name = f"the {who}'s feature {record['recorder']!r}"
        if 'connector' in record:
            name += f' after connector {record["connector"]!r}'
        for i, x in enumerate(_levels(distiller.get_record(**record))):
            yield f'{name}, pyramid level {i}', x
    for name, mapping in mappings.items():
        layout = getattr(distiller.distill_losses[name], 'layout', None)
        if layout is None or {*mapping} != {'s_feature', 't_feature'}:
            continue
        s, t = (
            _levels(distiller.get_record(**mapping[key])) for key in mapping
        )
        for i, (s_level, t_level) in enumerate(zip(s, t)):
            bands = wavedec2(
                s_level.float() - t_level.float(),
                layout['levels'],
                layout['wavelet'],
            )
            where = f'{name}, pyramid level {i}, band'
            yield f'{where} low', bands.low
            for j, details in enumerate(bands.high, 1):
                for k, orientation in enumerate(ORIENTATIONS):
                    yield f'{where} level{j}_{orientation}', details[:, :, k]


def _levels(value: Any) -> list:
    if isinstance(value, Tensor):
        return [value]
    return [x for x in value if isinstance(x, Tensor)]
