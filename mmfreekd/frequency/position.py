"""Position-aware weights: which channels matter where they stand (3.4)."""

from typing import Callable, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError
from .masks import full_precision

Gate = Callable[[Tensor], Tensor]


def channel_relation(
    feature: Tensor, context: Optional[Tensor] = None, softmax_dim: int = -1
) -> Tensor:
    r"""How the channels of a feature relate to those of its context.

    .. math:: A = \mathrm{softmax}(\psi(F) F^T)

    The finer of the two maps is averaged down to the size of the coarser.
    The product is the mean over pixels, so that it does not grow with the
    map.

    Args:
        feature (Tensor): F, ``(N, C, H, W)``.
        context (Tensor, optional): psi(F), the next pyramid level, ``(N, C,
            H', W')``. None, for the last level or a single feature: F itself
            at half its size. Defaults to None.
        softmax_dim (int): -1: a channel of the context distributes itself
            over those of the feature; -2: the other way round. Defaults to
            -1.

    Returns:
        Tensor: ``(N, C, C)`` in float32 or wider, rows for the context.

    Raises:
        ValueError: If batch or channels of the two differ, or softmax_dim is
            neither -1 nor -2.
    """
    check_softmax_dim(softmax_dim)
    if context is None:
        context = _halved(feature)
    if context.shape[:2] != feature.shape[:2]:
        raise ValueError(
            'feature and context must have the same batch and channels, got '
            f'{tuple(feature.shape)} and {tuple(context.shape)}'
        )
    size = [min(a, b) for a, b in zip(feature.shape[2:], context.shape[2:])]
    with torch.autocast(feature.device.type, enabled=False):
        feature, context = (
            _averaged(x, size).flatten(2) for x in (feature, context)
        )
        product = context @ feature.transpose(1, 2) / feature.size(-1)
        return product.softmax(dim=softmax_dim)


def _halved(x: Tensor) -> Tensor:
    # a last odd row or column stands alone
    return F.avg_pool2d(full_precision(x), 2, ceil_mode=True)


def _averaged(x: Tensor, size: Sequence[int]) -> Tensor:
    x = full_precision(x)
    if [*x.shape[2:]] == [*size]:
        return x
    return F.adaptive_avg_pool2d(x, size)


def position_weights(
    feature: Tensor,
    context: Optional[Tensor] = None,
    gate: Optional[Gate] = None,
    softmax_dim: int = -1,
) -> Tensor:
    r"""The weight of each channel in the frequency distance.

    .. math:: w = G(A)

    Its mean over the channels is 1 by construction, whatever the gate: a
    gate that could make it smaller would drive the loss to zero.

    Args:
        feature (Tensor): ``(N, C, H, W)``.
        context (Tensor, optional): See :func:`channel_relation`. Defaults to
            None.
        gate (Callable, optional): Takes the relation ``(N, C, C)`` to scores
            ``(N, C)``, of which the softmax is taken. None: how much each
            channel is related to altogether, without parameters. Defaults to
            None.
        softmax_dim (int): See :func:`channel_relation`. Defaults to -1.

    Returns:
        Tensor: ``(N, C)``, not negative, mean 1 for each image.

    Raises:
        ValueError: See :func:`channel_relation`.

    Example:
        >>> w = position_weights(torch.randn(2, 8, 6, 6))
        >>> torch.allclose(w.mean(1), torch.ones(2))
        True
    """
    relation = channel_relation(feature, context, softmax_dim)
    if gate is None:
        # over the dimension in which it does not add up to 1 anyway
        return unit_mean(relation.sum(dim=1 if softmax_dim == -1 else 2))
    return gate(relation).softmax(dim=-1) * feature.size(1)


def unit_mean(weights: Tensor) -> Tensor:
    """Scale positive weights ``(N, C)`` to a mean of 1 for each image."""
    return weights / weights.mean(dim=1, keepdim=True)


def check_softmax_dim(softmax_dim: int) -> None:
    """Raise ``UsageError`` if a dimension of the relation is not known."""
    if softmax_dim not in (-1, -2):
        raise UsageError(f'softmax_dim must be -1 or -2, got {softmax_dim!r}')
