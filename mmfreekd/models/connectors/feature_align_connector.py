from typing import Optional, Sequence, Tuple, Union

import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from torch import Tensor, nn

from ...errors import UsageError
from ...registry import MODELS
from ..pyramid import (
    Feature,
    channels_per_level,
    map_sizes,
    pyramid_levels,
)

Size = Tuple[int, int]


@MODELS.register_module()
class FeatureAlignConnector(BaseConnector):
    """Project the student's feature to the teacher's (phi, section 3.3).

    One convolution per pyramid level, then the size of the teacher's.

    Args:
        in_channels (int | list[int]): Channels of the student's feature, one
            number or one for each pyramid level.
        out_channels (int | list[int]): Channels of the teacher's feature.
        num_levels (int, optional): Pyramid levels. None: as many as channels
            are given, 1 for a single number. Defaults to None.
        kernel_size (int): Odd size of the kernel. Defaults to 1.

    Raises:
        UsageError: If an argument is out of its range.
    """

    def __init__(
        self,
        in_channels: Union[int, Sequence[int]],
        out_channels: Union[int, Sequence[int]],
        num_levels: Optional[int] = None,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise UsageError(f'kernel_size must be odd, got {kernel_size}')
        self.in_channels = channels_per_level(in_channels, num_levels)
        out = channels_per_level(out_channels, len(self.in_channels))
        self.projections = nn.ModuleList(
            nn.Conv2d(i, o, kernel_size, padding=kernel_size // 2)
            for i, o in zip(self.in_channels, out)
        )

    def forward(
        self, feature: Feature, sizes: Optional[Sequence[Size]] = None
    ) -> Feature:
        """Project a feature, each pyramid level on its own.

        Args:
            feature (Tensor | tuple[Tensor]): ``(N, C_s, H_s, W_s)`` per
                pyramid level.
            sizes (list[tuple[int, int]], optional): The teacher's ``(H_t,
                W_t)`` per level, to which the result is resized (bilinear);
                ``FreeKDDistiller`` gives them. None: as it is. Defaults to
                None.

        Returns:
            Tensor | tuple[Tensor]: ``(N, C_t, H_t, W_t)`` per level; one
            tensor where one was given.

        Raises:
            UsageError: If levels or channels do not match.
        """
        levels = pyramid_levels(
            feature, len(self.projections), 'FeatureAlignConnector'
        )
        for i, (level, expected) in enumerate(zip(levels, self.in_channels)):
            if level.size(1) != expected:
                raise UsageError(
                    f"pyramid level {i} of the student's feature has "
                    f'{level.size(1)} channels, FeatureAlignConnector '
                    f'expects {expected}: set in_channels={level.size(1)}'
                )
        out = tuple(
            projection(level)
            for projection, level in zip(self.projections, levels)
        )
        out = out[0] if isinstance(feature, Tensor) else out
        return out if sizes is None else resized(out, sizes)

    forward_train = forward


def resized(feature: Feature, sizes: Sequence[Size]) -> Feature:
    """A feature in other sizes, one ``(H, W)`` per pyramid level.

    What has another number of levels, or is no feature map, is left to the
    loss.
    """
    levels = [feature] if isinstance(feature, Tensor) else feature
    if map_sizes(feature) in (None, [tuple(size) for size in sizes]) or (
        len(levels) != len(sizes)
    ):
        return feature
    out = tuple(
        F.interpolate(x, size, mode='bilinear', align_corners=False)
        for x, size in zip(levels, sizes)
    )
    return out[0] if isinstance(feature, Tensor) else out
