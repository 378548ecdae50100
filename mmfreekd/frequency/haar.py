"""J Haar levels as one orthonormal matrix on blocks of pixels.

What lies in one block of 2^J x 2^J pixels decides the block's coefficients
and nothing else does, so J levels are one matrix product: the same on every
device, in two products forward and backward instead of an operator per level,
orientation and pixel.

Convention:
    A block's pixels are read row by row. Its 4^J coefficients are sorted by
    band: low, then from the finest to the coarsest level horizontal, vertical
    and diagonal detail, each row by row. Blocks at the border are filled up
    with zeros.
"""

from functools import lru_cache
from typing import Iterable, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .bands import ORIENTATIONS
from .wavelet import wavedec2

MOST_LEVELS = 3  # 64 x 64 numbers; with a level more they are 256 x 256


def has_matrix(levels: int, wavelet: str) -> bool:
    """Whether a transform is computed as a matrix product on blocks.

    Not under ``torch.compile``, which is to see plain operators.
    """
    return (
        wavelet == 'haar'
        and levels <= MOST_LEVELS
        and not torch.compiler.is_compiling()
    )


def haar_matrix(
    like: Tensor, levels: int, counts: Optional[Iterable[bool]] = None
) -> Tensor:
    """The transform of one block; its entries are powers of two.

    Args:
        like (Tensor): Gives dtype and device.
        levels (int): Wavelet levels J.
        counts (Iterable[bool], optional): Whether each of the 1 + 3J bands
            counts; the rows of the others are 0. None: all. Defaults to None.

    Returns:
        Tensor: ``(4^J, 4^J)``, a row for each coefficient, a column for each
        pixel. It is not to be written to.

    Example:
        >>> haar_matrix(torch.zeros(1), 1)[0]
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    counts = (True,) * (1 + 3 * levels) if counts is None else tuple(counts)
    return _haar(levels, counts, *_place(like))


def row_counts(levels: int) -> List[int]:
    """How many coefficients of a block each of the 1 + 3J bands has."""
    counts = [4 ** (levels - level) for level in range(1, levels + 1)]
    return [1, *(count for count in counts for _ in ORIENTATIONS)]


def of_rows(like: Tensor, levels: int, values: Iterable[float]) -> Tensor:
    """One value for each band as one for each row of the matrix.

    Args:
        like (Tensor): Gives dtype and device.
        levels (int): Wavelet levels J.
        values (Iterable[float]): Of the 1 + 3J bands.

    Returns:
        Tensor: ``(4^J,)``, which is not to be written to.
    """
    return _of_rows(levels, tuple(values), *_place(like))


def mask_matrix(like: Tensor, levels: int, band_layout: str) -> Tensor:
    """From B projected blocks to the coefficients that masks are made of.

    Args:
        like (Tensor): Gives dtype and device.
        levels (int): Wavelet levels J.
        band_layout (str): Whether the sum of its three orientations takes
            the place of each, as :func:`frequency_masks` has it.

    Returns:
        Tensor: ``(4^J, B * 4^J)``, which is not to be written to.
    """
    return _mask_matrix(levels, band_layout, *_place(like))


def block_view(x: Tensor, side: int) -> Tensor:
    """``(N, C, H, W)`` as blocks, ``(N, H / side, W / side, C, side, side)``.

    A view; H and W are multiples of ``side``.
    """
    height, width = x.shape[-2:]
    x = x.unflatten(3, (width // side, side))
    return x.unflatten(2, (height // side, side)).permute(0, 2, 4, 1, 3, 5)


def padded_size(size: Iterable[int], side: int) -> Tuple[int, int]:
    """Height and width of a map, rounded up to multiples of ``side``."""
    height, width = size
    return height + -height % side, width + -width % side


def pad_to_blocks(x: Tensor, side: int) -> Tensor:
    """Fill a map up with zeros to :func:`padded_size`."""
    height, width = x.shape[-2:]
    more = -width % side, -height % side
    return F.pad(x, (0, more[0], 0, more[1])) if any(more) else x


def _place(like: Tensor) -> tuple:
    # fake tensors have constants of their own
    return like.dtype, like.device, getattr(like, 'fake_mode', None)


def _exact(levels: int) -> Tensor:
    side = 2**levels
    pixels = torch.eye(side**2, dtype=torch.float64, device='cpu')
    low, high = wavedec2(pixels.view(-1, 1, side, side), levels)
    rows = torch.cat([band.flatten(1) for band in (low, *high)], 1).T
    return (rows * side).round() / side  # without rounding errors


@lru_cache(maxsize=64)
def _haar(levels, counts, dtype, device, fake_mode) -> Tensor:
    with torch.inference_mode(False):
        bands = _exact(levels).split(row_counts(levels))
        rows = torch.cat([band * c for band, c in zip(bands, counts)])
        return rows.to(dtype).to(device)


@lru_cache(maxsize=1024)
def _of_rows(levels, values, dtype, device, fake_mode) -> Tensor:
    with torch.inference_mode(False):
        rows = [
            v for v, n in zip(values, row_counts(levels)) for _ in range(n)
        ]
        rows = torch.tensor(rows, dtype=torch.float64, device='cpu')
        return rows.to(dtype).to(device)


@lru_cache(maxsize=64)
def _mask_matrix(levels, band_layout, dtype, device, fake_mode) -> Tensor:
    with torch.inference_mode(False):
        rows = _exact(levels).split(row_counts(levels))
        if band_layout == 'level':
            details = zip(*(rows[i::3] for i in (1, 2, 3)))
            rows = [rows[0], *(sum(three) for three in details)]
        # a block on the diagonal for each band
        matrix = torch.block_diag(*rows)
        if band_layout == 'level':
            low, *levels_rows = matrix.split([len(r) for r in rows])
            matrix = torch.cat([low, *(r.repeat(3, 1) for r in levels_rows)])
        return matrix.to(dtype).to(device)
