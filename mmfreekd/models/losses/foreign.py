"""Losses of other packages, which take any two tensors that broadcast."""

from typing import Any, Callable

import torch
from torch import Tensor

from ...errors import UsageError


def guarded(call: Callable, first: Any, second: Any, where: str) -> Tensor:
    """A loss of two features, refused where their shapes cannot be compared.

    Losses of other packages compare whatever broadcasts, such as logits of 1
    and of 6 classes, and end in an assertion or a traceback at the rest.

    Args:
        call (Callable): Computes the loss.
        first (Any): What is compared, tensors or lists of them.
        second (Any): With what.
        where (str): Which loss it is, for messages.

    Returns:
        Tensor: The loss.

    Raises:
        UsageError: If shapes differ and broadcast, or the loss fails where
            they differ.
    """
    shapes = shapes_of(first), shapes_of(second)
    said = (
        f'{where} cannot compare shapes {shapes[0]} and {shapes[1]}. Align '
        'them with a connector such as mmfreekd.FeatureAlignConnector, or '
        'take other layers'
    )
    if shapes[0] == shapes[1]:
        return call()
    if broadcasts(*shapes):
        raise UsageError(said)
    try:
        return call()
    except (AssertionError, AttributeError, RuntimeError, TypeError) as error:
        raise UsageError(
            f'{said} ({type(error).__name__}: {error})'
        ) from error


def shapes_of(feature: Any) -> Any:
    """The shape of a tensor, or those of a list of them."""
    if isinstance(feature, Tensor):
        return tuple(feature.shape)
    if isinstance(feature, (list, tuple)):
        return [shapes_of(part) for part in feature]
    return type(feature).__name__


def broadcasts(first: Any, second: Any) -> bool:
    """Whether two different shapes would be stretched to a common one."""
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and any(
            a != b and broadcasts(a, b) for a, b in zip(first, second)
        )
    if not isinstance(first, tuple) or not isinstance(second, tuple):
        return False
    try:
        torch.broadcast_shapes(first, second)
    except RuntimeError:
        return False
    return True
