"""Losses that are not finite: traced to where they began, then raised or
skipped.

Gradients that overflow under AMP are not looked at: that is how its scaler
finds a scale.
"""

import logging
from typing import Any, Dict, Iterator, List, Optional, Tuple

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ..errors import UsageError
from ..frequency import wavedec2
from ..frequency.bands import ORIENTATIONS

CHOICES = ('raise', 'skip')
PATIENCE = 100  # skipped steps in a row


class FiniteCheck:
    """Stops a training whose loss is not finite, or skips the step.

    A skipped step changes nothing: no parameter, no state of the optimiser,
    and no buffer, such as the running statistics of batch norms. There is
    one synchronisation with the host in a step.

    Args:
        on_nonfinite (str): ``'raise'`` or ``'skip'``.

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
        self._buffers: List[Tensor] = []
        self._saved: List[Tensor] = []
        self._autocast = False
        # whether the next update may see nan; None: no step was skipped yet
        self._spoiled: Optional[bool] = None

    @torch.no_grad()
    def begin(self, *modules: nn.Module) -> None:
        """Remember the buffers, before the forward pass of a step.

        Args:
            *modules (nn.Module): What trains.
        """
        # backward and update follow outside of the autocast context
        self._autocast = torch.is_autocast_enabled()
        if self.on_nonfinite == 'raise':
            return
        # as .data, for a backward pass may follow that has saved them
        self._buffers = [b.data for m in modules for b in m.buffers()]
        if [b.shape for b in self._saved] != [b.shape for b in self._buffers]:
            self._saved = [torch.empty_like(b) for b in self._buffers]
        torch._foreach_copy_(self._saved, self._buffers)

    def __call__(
        self,
        loss: Tensor,
        losses: Dict[str, Any],
        tensors: Iterator[Tuple[str, Tensor]],
    ) -> Tensor:
        """Check the loss of a step.

        Args:
            loss (Tensor): The sum that is optimised.
            losses (dict): Its parts.
            tensors (iterator): What the losses were computed from, each with
                where it is; only used where a loss is not finite.

        Returns:
            Tensor: The loss; for a skipped step, one that makes no optimiser
            change a parameter.

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
        found = f'iteration {iteration + 1}: not finite {where}'
        if self.on_nonfinite == 'raise' or self.skipped > PATIENCE:
            raise FloatingPointError(
                f'{found}. Lower the learning rate or the loss weight, set '
                "optim_wrapper.clip_grad, or model.on_nonfinite='skip' for "
                'single steps; resume from a checkpoint before it'
            )
        if not self.reported:
            self.reported = True
            print_log(
                f'{found}. This step is skipped; further ones will be without '
                'a message',
                logger='current',
                level=logging.WARNING,
            )
        torch._foreach_copy_(self._buffers, self._saved)
        return self._skip(loss)

    def _skip(self, loss: Tensor) -> Tensor:
        """A loss after which no parameter changes.

        A gradient scaler of AMP and other processes wait for gradients: they
        get nan, which the scaler notices if it is enabled; if not, the
        gradients are removed before the optimiser sees them.
        """
        if not self._autocast and get_world_size() == 1:
            return loss.new_zeros((), requires_grad=True)
        if self._spoiled is None:
            register_optimizer_step_pre_hook(self._remove_gradients)
        self._spoiled = True
        return loss * torch.nan

    def _remove_gradients(self, optimizer, args, kwargs) -> None:
        if not self._spoiled:
            return
        self._spoiled = False
        gradients = [
            p.grad
            for group in optimizer.param_groups
            for p in group['params']
            if p.grad is not None
        ]
        if not all(gradient.isfinite().all() for gradient in gradients):
            optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def first_nonfinite(
    tensors: Iterator[Tuple[str, Tensor]], losses: Dict[str, Any]
) -> str:
    """Find the first tensor that is not finite.

    Args:
        tensors (iterator): What the losses were computed from, in order, each
            with where it is.
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
    for of_student, who in ((False, 'teacher'), (True, 'student')):
        for mapping in mappings.values():
            for record in mapping.values():
                if record['from_student'] is of_student:
                    plain = {
                        k: v for k, v in record.items() if 'connector' not in k
                    }
                    yield from _named(
                        f"the {who}'s feature {record['recorder']!r}",
                        distiller.get_record(**plain),
                    )
    for name, mapping in mappings.items():
        inputs = distiller.loss_inputs(name)
        for key, record in mapping.items():
            if 'connector' in record:
                who = 'student' if record['from_student'] else 'teacher'
                yield from _named(
                    f"the {who}'s feature {record['recorder']!r} after "
                    f'connector {record["connector"]!r}',
                    inputs[key],
                )
        layout = getattr(distiller.distill_losses[name], 'layout', None)
        if layout is not None and inputs.keys() == {'s_feature', 't_feature'}:
            yield from _bands(name, layout, **inputs)


def _named(name: str, levels: Any) -> Iterator[Tuple[str, Tensor]]:
    for i, x in enumerate(_levels(levels)):
        yield f'{name}, pyramid level {i}', x


def _bands(
    name: str, layout: Dict, s_feature: Any, t_feature: Any
) -> Iterator[Tuple[str, Tensor]]:
    pairs = zip(_levels(s_feature), _levels(t_feature))
    for i, (s, t) in enumerate(pairs):
        difference = s.float() - t.float()
        bands = wavedec2(difference, layout['levels'], layout['wavelet'])
        where = f'{name}, pyramid level {i}, band'
        yield f'{where} low', bands.low
        for j, details in enumerate(bands.high, 1):
            for k, orientation in enumerate(ORIENTATIONS):
                yield f'{where} level{j}_{orientation}', details[:, :, k]


def _levels(value: Any) -> list:
    if isinstance(value, Tensor):
        return [value]
    return [x for x in value if isinstance(x, Tensor)]
