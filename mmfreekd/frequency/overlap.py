"""What masks have in common, which stage 1 makes less (section 3.2)."""

from typing import Optional, Sequence

import torch
from torch import Tensor

from .masks import full_precision

OVERLAP_KINDS = ('jaccard', 'dice')
TINY = 1e-12  # masks that are shut everywhere do not overlap


def mask_overlap(
    masks: Sequence[Tensor],
    kind: str = 'jaccard',
    diagonal: Optional[bool] = None,
) -> Tensor:
    r"""How much the masks of different prompts overlap (section 3.2).

    For two masks a and b of one band, over its pixels:

    .. math::
        \mathrm{jaccard} = \frac{\sum ab}{\sum a^2 + \sum b^2 - \sum ab},
        \qquad \mathrm{dice} = \frac{2 \sum ab}{\sum a^2 + \sum b^2}

    Args:
        masks (list[Tensor]): One ``(N, T, h_b, w_b)`` per band.
        kind (str): ``'jaccard'`` (the paper) or ``'dice'`` (the official
            code). Defaults to 'jaccard'.
        diagonal (bool, optional): Whether the pairs of a mask with itself
            count, which overlap by 1: then T prompts cannot come below
            1 / T. Without them the overlap is 0 for T = 1. None: with
            'jaccard' they count (the paper), with 'dice' they do not (the
            official code). Defaults to None.

    Returns:
        Tensor: A scalar in [0, 1]: the mean over bands, images and pairs.

    Raises:
        ValueError: If kind is not known or there is no mask.

    Example:
        >>> mask_overlap([torch.full((1, 2, 4, 4), .5)])
        tensor(1.)
    """
    if kind not in OVERLAP_KINDS:
        raise ValueError(f'kind must be one of {OVERLAP_KINDS}, got {kind!r}')
    if not masks:
        raise ValueError('masks must hold one tensor per band, got none')
    if diagonal is None:
        diagonal = kind == 'jaccard'
    with torch.autocast(masks[0].device.type, enabled=False):
        maps = (full_precision(mask).flatten(2) for mask in masks)
        # (B, N, T, T): sum of a * b
        product = torch.stack([m @ m.transpose(1, 2) for m in maps])
        square = product.diagonal(dim1=2, dim2=3)
        squares = square.unsqueeze(2) + square.unsqueeze(3)
        if kind == 'jaccard':
            overlap = product / (squares - product).clamp_min(TINY)
        else:
            overlap = 2 * product / squares.clamp_min(TINY)
        if diagonal:
            return overlap.mean()
        bands, num, num_prompts, _ = overlap.shape
        others = 1 - torch.eye(
            num_prompts, dtype=overlap.dtype, device=overlap.device
        )
        # a single prompt has no pairs: 0 / 1
        pairs = bands * num * max(num_prompts * (num_prompts - 1), 1)
        return (overlap * others).sum() / pairs
