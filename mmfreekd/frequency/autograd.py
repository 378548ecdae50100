"""The distance with its gradient by hand: two matrix products on blocks.

Of a block's pixels x, the Haar matrix K and the shares m of its 4^J
coefficients ``c = K x`` (masks, means and the loss weight in one number
each), the distance is the sum of ``m |c|`` or of ``m c^2``; the gradient is
``K^T (m sign(c))`` or ``2 K^T (m c)``. K is not scaled, because its entries
are powers of two: a coefficient that is zero is so exactly, and has no sign.
"""

from typing import Callable, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .haar import block_view, padded_size
from .reference import TINY, channel_moments, normalize_channels


def with_gradient_by_hand(
    s: Tensor,
    t: Tensor,
    weights: Optional[Tensor],
    form: NamedTuple,
    reference: Callable,
) -> Tensor:
    """The sum over all channels of ``weights`` times their distance.

    Args:
        s (Tensor): The student's feature ``(N, C, H, W)``.
        t (Tensor): The teacher's; no gradient flows into it.
        weights (Tensor, optional): ``(N, C)``; None for ones.
        form (NamedTuple): How it is computed, such as :class:`BlockForm`.
        reference (Callable): The same of ``(s, t, weights)`` in operators
            that autograd knows, for a second derivative.

    Returns:
        Tensor: A scalar.
    """
    return _Distance.apply(s, t, weights, form, reference)


class _Distance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, s, t, weights, form, reference):
        ctx.form, ctx.reference = form, reference
        values, *kept = form.values(s, t, weights)
        of_channels = None if weights is None else values
        ctx.save_for_backward(s, t, weights, of_channels, *kept)
        if weights is None:
            return values
        return torch.dot(values.flatten(), weights.flatten().to(values))

    @staticmethod
    def backward(ctx, pull):
        gradients = _differentiable  # create_graph=True
        if not torch.is_grad_enabled():
            gradients = _by_hand
        with torch.autocast(pull.device.type, enabled=False):
            s, weights = gradients(ctx, pull)
        return s, None, weights, None, None


def _by_hand(ctx, pull):
    s, t, weights, values, *kept = ctx.saved_tensors
    s_gradient = weights_gradient = None
    if ctx.needs_input_grad[0]:
        s_gradient = ctx.form.gradient(pull, s, t, weights, *kept)
    if ctx.needs_input_grad[2]:
        weights_gradient = (values * pull).to(weights.dtype)
    return s_gradient, weights_gradient


def _differentiable(ctx, pull):
    s, t, weights, *_ = ctx.saved_tensors
    wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
    inputs = [x for x, want in zip((s, weights), wanted) if want]
    value = ctx.reference(s, t, weights)
    found = iter(torch.autograd.grad(value, inputs, pull, create_graph=True))
    return tuple(next(found) if want else None for want in wanted)


class BlockForm(NamedTuple):
    """The distance in PyTorch's operators.

    Attributes:
        matrix (Tensor): K, ``(4^J, 4^J)``, whose rows are 0 for bands that do
            not count.
        shares (Tensor): m, ``(N * L, 1, 4^J)``, or ``(4^J,)`` for all blocks.
        levels (int): Wavelet levels J.
        penalty (str): ``'l1'`` or ``'mse'``.
        low_band (bool): Whether the low band counts.
        normalize (bool): Whether the channels are normalised first.
    """

    matrix: Tensor
    shares: Tensor
    levels: int
    penalty: str
    low_band: bool
    normalize: bool

    def values(
        self, s: Tensor, t: Tensor, weights: Optional[Tensor]
    ) -> Tuple[Optional[Tensor], ...]:
        """The distance, and what the gradient is made of.

        Args:
            s (Tensor): ``(N, C, H, W)``.
            t (Tensor): The same.
            weights (Tensor, optional): See :func:`with_gradient_by_hand`.

        Returns:
            tuple: The sum over all channels, or ``(N, C)`` if there are
            weights; then what :meth:`gradient` takes at its end.
        """
        mean = scale = None
        if self.normalize:
            mean, scale = channel_moments(s)
            s, t = (s - mean) * scale, normalize_channels(t)
        difference = self._pad(s, t)
        if self.penalty == 'l1':
            coefficients = self._exact_zeros(difference)
            slope = coefficients.sgn().mul_(self.shares)
        else:
            # (N, h, w, C, side, side) -> (N * L, C, 4^J)
            blocks = block_view(difference, 2**self.levels)
            coefficients = blocks.flatten(4).flatten(0, 2) @ self.matrix.T
            slope = coefficients * self.shares
        if weights is None:
            values = torch.dot(coefficients.flatten(), slope.flatten())
        else:  # (N * L, C) -> (N, C)
            values = torch.linalg.vecdot(coefficients, slope)
            values = values.unflatten(0, (len(s), -1)).sum(1)
        return values, slope, mean, scale

    def gradient(
        self,
        pull: Tensor,
        s: Tensor,
        t: Tensor,
        weights: Optional[Tensor],
        slope: Tensor,
        mean: Optional[Tensor],
        scale: Optional[Tensor],
    ) -> Tensor:
        """The gradient with regard to ``s``, times ``pull``."""
        num, channels, *size = s.shape
        factor = pull if self.penalty == 'l1' else 2 * pull
        if weights is not None:
            factor = factor * weights.view(num, 1, 1, channels, 1, 1)
        side = 2**self.levels
        out = s.new_empty(num, channels, *padded_size(size, side))
        view = block_view(out, side)
        blocks = (slope @ self.matrix).view(view.shape)
        torch.mul(blocks, factor, out=view)
        gradient = out[..., : size[0], : size[1]].contiguous()
        if not self.normalize:
            return gradient
        return torch.ops.aten.native_batch_norm_backward(
            gradient,
            s,
            None,
            None,
            None,
            mean.flatten(),
            scale.flatten(),
            True,
            TINY,
            [True, False, False],
        )[0]

    def _pad(self, s: Tensor, t: Tensor) -> Tensor:
        """The difference, filled up with zeros to whole blocks."""
        height, width = s.shape[2:]
        size = padded_size((height, width), 2**self.levels)
        if size == (height, width):
            return s - t
        difference = s.new_zeros(*s.shape[:2], *size)
        torch.sub(s, t, out=difference[..., :height, :width])
        return difference

    def _exact_zeros(self, difference: Tensor) -> Tensor:
        """K x of the blocks of a map, ``(N * L, C, 4^J)``.

        Rounding must not give a sign to the details of a constant, such as
        the padding of a batch: they are made of what differs from the block's
        first pixel, and are 0 if nothing does.
        """
        side = 2**self.levels
        blocks = block_view(difference, side)
        corner = blocks[..., :1, :1]
        rest = torch.empty(
            blocks.shape, dtype=blocks.dtype, device=blocks.device
        )
        torch.sub(blocks, corner, out=rest)
        coefficients = rest.flatten(4).flatten(0, 2) @ self.matrix.T
        if self.low_band:  # of the block itself: its mean, times 2^J
            means = F.avg_pool2d(difference, side).permute(0, 2, 3, 1)
            low = coefficients[..., 0].view(means.shape)
            torch.mul(means, side, out=low)
        return coefficients
