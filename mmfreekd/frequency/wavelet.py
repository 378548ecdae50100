"""The discrete wavelet transform of a feature map and its inverse.

Convention:
    Orthonormal; what lies outside the map counts as zero (PyWavelets'
    ``mode='zero'``). With Haar a level of a map of n pixels has ceil(n / 2),
    so any size, down to 1x1, is valid at any level.
"""

from typing import List, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError
from .bands import FrequencyBands, check_layout


def wavedec2(
    x: Tensor, levels: int = 3, wavelet: str = 'haar'
) -> FrequencyBands:
    """Take a feature map into its frequency bands (paper, section 3.1).

    Args:
        x (Tensor): Feature map ``(N, C, H, W)`` of a floating dtype.
        levels (int): Wavelet levels J. Defaults to 3.
        wavelet (str): ``'haar'``, or any orthogonal wavelet that PyWavelets
            knows (needs the extra ``mmfreekd[wavelets]``). Defaults to
            'haar'.

    Returns:
        FrequencyBands: ``low`` ``(N, C, h, w)`` and J ``high`` of
        ``(N, C, 3, h_j, w_j)``, finest first, in the dtype of ``x``.

    Raises:
        ValueError: If ``x`` is not a floating 4-D tensor with at least one
            pixel, or levels or wavelet are not valid.

    Example:
        >>> bands = wavedec2(torch.ones(1, 2, 8, 8), levels=2)
        >>> bands.low.shape, bands.high[0].shape
        (torch.Size([1, 2, 2, 2]), torch.Size([1, 2, 3, 4, 4]))
    """
    check_layout(levels, 'subband')
    if x.dim() != 4 or not x.is_floating_point() or 0 in x.shape[2:]:
        raise ValueError(
            'x must be a floating tensor (N, C, H, W) with H and W of at '
            f'least 1, got {tuple(x.shape)} of {x.dtype}'
        )
    split = _haar_split if wavelet == 'haar' else _Filters(wavelet).split
    low, high = x, []
    for _ in range(levels):
        low, details = split(low)
        high.append(details)
    return FrequencyBands(low, tuple(high))


def waverec2(
    bands: FrequencyBands, size: Tuple[int, int], wavelet: str = 'haar'
) -> Tensor:
    """Take frequency bands back into a feature map (paper, section 3.1).

    Args:
        bands (FrequencyBands): What :func:`wavedec2` returned.
        size (tuple[int, int]): Height and width ``(H, W)`` of the feature
            map; what the padding added is cropped.
        wavelet (str): The wavelet of the bands. Defaults to 'haar'.

    Returns:
        Tensor: The feature map ``(N, C, H, W)``.

    Raises:
        ValueError: If ``size`` is larger than what the bands hold, or the
            wavelet is not valid.

    Example:
        >>> x = torch.randn(1, 2, 5, 7)
        >>> torch.allclose(waverec2(wavedec2(x), (5, 7)), x, atol=1e-5)
        True
    """
    merge = _haar_merge if wavelet == 'haar' else _Filters(wavelet).merge
    finer = [details.shape[-2:] for details in bands.high[:-1]]
    x = bands.low
    for details, (height, width) in zip(
        reversed(bands.high), [*reversed(finer), size]
    ):
        x = merge(x, details)
        if x.size(-2) < height or x.size(-1) < width:
            raise ValueError(
                f'these bands hold at most {tuple(x.shape[-2:])} pixels, '
                f'less than size {(height, width)}: give the size of the '
                'map that they were made from'
            )
        x = x[..., :height, :width]
    return x


def band_sizes(
    size: Sequence[int], levels: int, wavelet: str = 'haar'
) -> List[Tuple[int, int]]:
    """Height and width of the low band, then of each level.

    Args:
        size (tuple[int, int]): Height and width of the feature map.
        levels (int): Wavelet levels J.
        wavelet (str): See :func:`wavedec2`. Defaults to 'haar'.

    Returns:
        list[tuple[int, int]]: J + 1 sizes; that of the low band is the last
        level's.
    """
    length = 2 if wavelet == 'haar' else _Filters(wavelet).length
    height, width = size
    sizes = []
    for _ in range(levels):
        height, width = ((n + length - 1) // 2 for n in (height, width))
        sizes.append((height, width))
    return [sizes[-1], *sizes]


def check_wavelet(wavelet: str) -> None:
    """Raise ``UsageError`` unless this is an orthogonal wavelet."""
    if wavelet != 'haar':
        _Filters(wavelet)


def _haar_split(x: Tensor) -> Tuple[Tensor, Tensor]:
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2))
    top, bottom = x[..., 0::2, :], x[..., 1::2, :]
    vertical_low, vertical_high = (top + bottom) / 2, (top - bottom) / 2
    # a detail is the first pixel minus the second, as in PyWavelets
    low = vertical_low[..., 0::2] + vertical_low[..., 1::2]
    details = torch.stack(
        (
            vertical_high[..., 0::2] + vertical_high[..., 1::2],
            vertical_low[..., 0::2] - vertical_low[..., 1::2],
            vertical_high[..., 0::2] - vertical_high[..., 1::2],
        ),
        dim=2,
    )
    return low, details


def _haar_merge(low: Tensor, details: Tensor) -> Tensor:
    horizontal, vertical, diagonal = details.unbind(dim=2)
    vertical_low = torch.stack((low + vertical, low - vertical), dim=-1)
    vertical_high = torch.stack(
        (horizontal + diagonal, horizontal - diagonal), dim=-1
    )
    # (N, C, h, w, 2) -> (N, C, h, 2w)
    vertical_low, vertical_high = (
        x.flatten(-2) / 2 for x in (vertical_low, vertical_high)
    )
    # (N, C, h, 2, 2w) -> (N, C, 2h, 2w)
    return torch.stack(
        (vertical_low + vertical_high, vertical_low - vertical_high), dim=-2
    ).flatten(-3, -2)


class _Filters:
    """The four 2-D filters of an orthogonal wavelet of PyWavelets."""

    def __init__(self, name: str) -> None:
        try:
            import pywt
        except ImportError as error:
            raise UsageError(
                f"wavelet {name!r} needs PyWavelets; 'haar' does not. Install "
                "it with: pip install 'mmfreekd[wavelets]'"
            ) from error
        if name not in pywt.wavelist(kind='discrete'):
            raise UsageError(
                f'wavelet {name!r} is not one that PyWavelets knows: see '
                "pywt.wavelist(kind='discrete')"
            )
        wavelet = pywt.Wavelet(name)
        if not wavelet.orthogonal:
            raise UsageError(
                f'wavelet {name!r} is not orthogonal; FreeKD needs an '
                "orthogonal one such as 'haar', 'db2', 'sym4' or 'coif1'"
            )
        self.length = wavelet.dec_len
        # conv2d correlates, a filter bank convolves: hence the flip
        self.low = torch.tensor(wavelet.dec_lo, dtype=torch.float64).flip(0)
        self.high = torch.tensor(wavelet.dec_hi, dtype=torch.float64).flip(0)

    def _kernels(self, x: Tensor) -> Tensor:
        # (rows, columns): low, horizontal, vertical, diagonal detail
        pairs = (
            (self.low, self.low),
            (self.high, self.low),
            (self.low, self.high),
            (self.high, self.high),
        )
        kernels = torch.stack([torch.outer(*pair) for pair in pairs])
        return kernels.unsqueeze(1).to(x)

    def split(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        num, channels, *size = x.shape
        front = self.length - 2
        # as many coefficients as touch the map
        height, width = ((n + self.length - 1) // 2 for n in size)
        padded = F.pad(
            x.reshape(num * channels, 1, *size),
            (front, 2 * width - size[1], front, 2 * height - size[0]),
        )
        out = F.conv2d(padded, self._kernels(x), stride=2)
        out = out.view(num, channels, 4, height, width)
        return out[:, :, 0], out[:, :, 1:]

    def merge(self, low: Tensor, details: Tensor) -> Tensor:
        num, channels, height, width = low.shape
        bands = torch.cat((low.unsqueeze(2), details), dim=2)
        out = F.conv_transpose2d(
            bands.view(num * channels, 4, height, width),
            self._kernels(low),
            stride=2,
        )
        front = self.length - 2
        out = out[
            ...,
            front : front + 2 * height - front,
            front : front + 2 * width - front,
        ]
        return out.reshape(num, channels, *out.shape[-2:])
