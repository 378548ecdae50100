"""Tokens of a deformable transformer's encoder, as maps and back."""

from typing import Any, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..errors import UsageError


def fold_tokens(tokens: Tensor, shapes: Sequence) -> Tuple[Tensor, ...]:
    """Fold the tokens of all pyramid levels back into maps.

    Args:
        tokens (Tensor): ``(N, L, C)``, the levels one after the other, each
            row by row: L is the sum of their h * w.
        shapes (Sequence): ``(h, w)`` of each level, a tensor ``(levels, 2)``
            or pairs.

    Returns:
        tuple[Tensor]: ``(N, C, h, w)`` for each level.

    Raises:
        UsageError: If the shapes do not add up to the number of tokens.
    """
    if isinstance(shapes, Tensor):
        shapes = shapes.tolist()  # waits for the device once
    sizes = [tuple(map(int, shape)) for shape in shapes]
    counts = [h * w for h, w in sizes]
    if sum(counts) != tokens.size(1):
        raise UsageError(
            f'maps of {sizes} have {sum(counts)} pixels, but there are '
            f'{tokens.size(1)} tokens: take the layer that the shapes '
            "belong to, such as 'encoder'"
        )
    return tuple(
        # (N, h * w, C) -> (N, C, h, w)
        level.transpose(1, 2).unflatten(2, size)
        for level, size in zip(tokens.split(counts, 1), sizes)
    )


def unfold_maps(maps: Sequence[Tensor]) -> Tensor:
    """The inverse of :func:`fold_tokens`.

    Args:
        maps (Sequence[Tensor]): ``(N, C, h, w)`` for each pyramid level.

    Returns:
        Tensor: Tokens ``(N, L, C)``.
    """
    levels: List[Tensor] = [m.flatten(2).transpose(1, 2) for m in maps]
    return torch.cat(levels, 1)


def token_shapes(output: Any, kwargs: dict) -> Optional[Tensor]:
    """The shapes of the levels if a layer has put out tokens, else None.

    The encoders of MMDetection (Deformable DETR, DINO) are called with
    ``spatial_shapes=...`` and return ``(N, L, C)``.
    """
    if isinstance(output, Tensor) and output.dim() == 3:
        return kwargs.get('spatial_shapes')
    return None
