"""The distance with its gradient to the student, in one go.

Autograd would keep several tensors as large as the feature. Here the forward
pass makes the gradient at once, channel by channel while they are in the
cache, and that one tensor is all that is kept for the backward pass.
"""

from typing import List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from . import native
from .masks import PROMPT_REDUCTIONS, full_precision
from .plain import Switches, plain_distance

# as much of a feature at a time: what a core's cache holds with what becomes
# of it; on a GPU, what keeps it busy
CHUNK_BYTES = dict(cpu=2**18)
GPU_CHUNK_BYTES = 2**26

Masks = Optional[Sequence[Tensor]]
Gradients = Tuple[Optional[Tensor], Optional[Tensor]]


def can_fuse(t: Tensor, masks: Masks) -> bool:
    """Whether no gradient is asked for but the student's and the weights'."""
    return not torch.compiler.is_compiling() and not (
        torch.is_grad_enabled()
        and any(x.requires_grad for x in (t, *(masks or ())))
    )


def fused_distance(
    s: Tensor,
    t: Tensor,
    masks: Masks,
    weights: Optional[Tensor],
    switches: Switches,
    loss_weight: float,
) -> Tensor:
    """The same as ``loss_weight * plain_distance(...)``."""
    wanted = tuple(
        torch.is_grad_enabled() and x is not None and x.requires_grad
        for x in (s, weights)
    )
    task = _Task(masks, switches, loss_weight, wanted)
    return _FusedDistance.apply(s, t, weights, task)


class _FusedDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, s, t, weights, task):
        ctx.task = task
        ctx.save_for_backward(s, t, weights)
        # a gradient that was not scaled yet may be too small for float16:
        # it waits for the scale
        ctx.at_once = full_precision(s) is s
        value, gradients = task.run(s, t, weights, ctx.at_once)
        ctx.gradients = gradients if ctx.at_once else None
        return value

    @staticmethod
    def backward(ctx, pull):
        if torch.is_grad_enabled():  # create_graph=True
            return ctx.task.differentiable_gradients(*ctx.saved_tensors, pull)
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:  # half precision, or retain_graph=True
            _, gradients = ctx.task.run(*ctx.saved_tensors, True, pull)
        elif pull.device.type != 'cpu' or pull != 1:
            gradients = [g if g is None else g.mul_(pull) for g in gradients]
        s_gradient, weights_gradient = gradients
        return s_gradient, None, weights_gradient, None


class _Task:
    """Value and gradients, by the kernels or by PyTorch's operators."""

    def __init__(
        self,
        masks: Masks,
        switches: Switches,
        loss_weight: float,
        wanted: Tuple[bool, bool],
    ) -> None:
        if masks is not None:
            reduce = PROMPT_REDUCTIONS[switches.prompt_reduction]
            masks = [reduce(mask, dim=1, keepdim=True) for mask in masks]
        self.masks = masks
        self.switches = switches
        self.loss_weight = loss_weight
        self.wanted = wanted

    def run(
        self,
        s: Tensor,
        t: Tensor,
        weights: Optional[Tensor],
        with_gradients: bool,
        pull: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Gradients]:
        """The value, and the gradients times ``pull`` where they are wanted.

        Args:
            s (Tensor): The student's feature ``(N, C, H, W)``.
            t (Tensor): The teacher's.
            weights (Tensor, optional): ``(N, C)``.
            with_gradients (bool): Whether gradients are made.
            pull (Tensor, optional): A scalar; None for 1.

        Returns:
            tuple: The value, a scalar, and the gradients with regard to
            student and weights, each None where it is not wanted.
        """
        wanted = [with_gradients and w for w in self.wanted]
        scale = self.loss_weight if pull is None else self.loss_weight * pull
        run = self._by_kernels
        if not self._suits_kernels(s, t, weights):
            run = self._by_chunks
        with torch.autocast(s.device.type, enabled=False):
            return run(s, t, weights, wanted, scale)

    def differentiable_gradients(self, s, t, weights, pull):
        """As :class:`_FusedDistance` returns them, for a second derivative."""
        value = plain_distance(s, t, self.masks, weights, self.switches)
        inputs = [x for x, want in zip((s, weights), self.wanted) if want]
        found = iter(
            torch.autograd.grad(
                self.loss_weight * value, inputs, pull, create_graph=True
            )
        )
        s_gradient, weights_gradient = (
            next(found) if want else None for want in self.wanted
        )
        return s_gradient, None, weights_gradient, None

    def _suits_kernels(self, s, t, weights) -> bool:
        masks, switches = self.masks or (), self.switches
        return (
            native.has_transform(switches.levels, switches.wavelet)
            and all(len(mask) in (1, len(s)) for mask in masks)
            and native.usable(s, t, weights, *masks)
        )

    def _by_chunks(self, s, t, weights, wanted, scale):
        size = full_precision(s[:, :1]).nbytes
        most = CHUNK_BYTES.get(s.device.type, GPU_CHUNK_BYTES)
        step = max(1, most // size)
        values: List[Tensor] = []
        gradients = [
            torch.empty_like(x) if want else None
            for x, want in zip((s, weights), wanted)
        ]
        for start in range(0, s.size(1), step):
            part = slice(start, start + step)
            value, of_part = self._chunk(
                s[:, part],
                t[:, part],
                None if weights is None else weights[:, part],
                wanted,
                scale * self._share(s, part),
            )
            values.append(value)
            for whole, gradient in zip(gradients, of_part):
                if whole is not None:
                    whole[:, part] = gradient
        return torch.stack(values).sum(), gradients

    def _share(self, s: Tensor, part: slice) -> float:
        """What a chunk's mean counts in the mean of all channels."""
        if self.switches.reduction == 'sum':
            return 1.0
        return len(range(s.size(1))[part]) / s.size(1)

    def _chunk(self, s, t, weights, wanted, scale):
        leaves = [
            full_precision(x).detach().requires_grad_(want)
            if x is not None
            else None
            for x, want in zip((s, weights), wanted)
        ]
        with torch.set_grad_enabled(any(wanted)):
            s, weights = leaves
            distance = plain_distance(s, t, self.masks, weights, self.switches)
            value = distance * scale
        asked = [x for x, want in zip(leaves, wanted) if want]
        found = iter(torch.autograd.grad(value, asked) if asked else ())
        return value.detach(), [next(found) if w else None for w in wanted]

    def _by_kernels(self, s, t, weights, wanted, scale):
        values, gradient = native.distance(
            s,
            t,
            self._in_place(s) * scale,
            weights,
            self.switches.levels,
            self.switches.low_penalty,
            self.switches.high_penalty,
            self.switches.normalize,
            wanted[0],
        )
        total = values if weights is None else values * weights
        gradients = [
            None if gradient is None else gradient.to(s.dtype),
            values.to(weights.dtype) if wanted[1] else None,
        ]
        return total.sum().float(), gradients

    def _in_place(self, s: Tensor) -> Tensor:
        """What each coefficient counts, laid out as the kernels take it."""
        switches, (num, channels, *size) = self.switches, s.shape
        by_level = switches.band_layout == 'level'
        images = max((len(mask) for mask in self.masks or ()), default=1)
        out = s.new_zeros(
            images, *native.padded_size(*size), dtype=torch.float32
        )
        slots = native.slots(switches.levels, *size)
        for band, slot in enumerate(slots):
            share = switches.high_weight if band else switches.low_band
            if not share:
                continue
            where = out[:, slot[0], slot[1]]
            if switches.reduction == 'mean':
                share /= num * channels * where[0].numel()
                share /= 3 if by_level and band else 1
            if self.masks is None:
                where.fill_(share)
            else:
                mask = self.masks[-(-band // 3) if by_level else band]
                where.copy_(mask[:, 0].float() * share)
        return out
