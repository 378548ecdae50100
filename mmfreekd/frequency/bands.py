"""What a 2-D wavelet transform returns, and how its bands are called."""

from typing import List, NamedTuple, Tuple

from torch import Tensor

from ..errors import UsageError

BAND_LAYOUTS = ('subband', 'level')
ORIENTATIONS = ('horizontal', 'vertical', 'diagonal')


class FrequencyBands(NamedTuple):
    """The bands of a feature map after a wavelet transform of J levels.

    Attributes:
        low (Tensor): The low band of the coarsest level, ``(N, C, h, w)``.
        high (tuple[Tensor]): The detail bands of each level, finest first,
            ``(N, C, 3, h_j, w_j)``; the third axis holds the horizontal, the
            vertical and the diagonal detail.
    """

    low: Tensor
    high: Tuple[Tensor, ...]

    @property
    def levels(self) -> int:
        """The number of wavelet levels, J."""
        return len(self.high)


def check_layout(levels: int, band_layout: str) -> None:
    """Raise ``UsageError`` unless this is a layout that the package knows."""
    if not isinstance(levels, int) or levels < 1:
        raise UsageError(f'levels must be a positive integer, got {levels!r}')
    if band_layout not in BAND_LAYOUTS:
        raise UsageError(
            f'band_layout must be one of {BAND_LAYOUTS}, got {band_layout!r}'
        )


def num_bands(levels: int = 3, band_layout: str = 'subband') -> int:
    """The number of masked bands, B.

    Args:
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str): ``'subband'`` masks every orientation of every
            level on its own, B = 1 + 3J (the paper); ``'level'`` one whole
            level at a time, B = 1 + J (the official code). Defaults to
            'subband'.

    Returns:
        int: B.

    Example:
        >>> num_bands(3), num_bands(3, 'level')
        (10, 4)
    """
    check_layout(levels, band_layout)
    return 1 + (3 * levels if band_layout == 'subband' else levels)


def band_names(levels: int = 3, band_layout: str = 'subband') -> List[str]:
    """The names of the masked bands in their order.

    Args:
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str): See :func:`num_bands`. Defaults to 'subband'.

    Returns:
        list[str]: B names.

    Example:
        >>> band_names(1)
        ['low', 'level1_horizontal', 'level1_vertical', 'level1_diagonal']
    """
    check_layout(levels, band_layout)
    names = ['low']
    for level in range(1, levels + 1):
        if band_layout == 'level':
            names.append(f'level{level}')
        else:
            names += [f'level{level}_{name}' for name in ORIENTATIONS]
    return names
