from typing import Optional, Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of ``(N, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


@MODELS.register_module()
class EmbeddingNeck(BaseModule):
    """A light neck that makes one embedding of a pyramid.

    Every level is projected and resized to one of them, and their sum is
    normalised, convolved and normalised again, as SAM's own neck ends.

    Args:
        in_channels (list[int]): Channels of each pyramid level.
        level (int): The level whose size the embedding has. Defaults to 0.
        out_channels (int): SAM's embedding has 256. Defaults to 256.
        init_cfg (dict, optional): Defaults to None.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        level: int = 0,
        out_channels: int = 256,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        self.level = level
        self.projections = nn.ModuleList(
            nn.Conv2d(c, out_channels, 1, bias=False) for c in in_channels
        )
        self.mix = nn.Sequential(
            ChannelNorm(out_channels, eps=1e-6),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            ChannelNorm(out_channels, eps=1e-6),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Make the embedding.

        Args:
            features (Sequence[Tensor]): ``(N, C, H, W)`` for each level.

        Returns:
            Tensor: ``(N, out_channels, H, W)`` of the chosen level.
        """
        size = features[self.level].shape[-2:]
        return self.mix(
            sum(
                F.interpolate(
                    projection(x), size, mode='bilinear', align_corners=False
                )
                for projection, x in zip(self.projections, features)
            )
        )
