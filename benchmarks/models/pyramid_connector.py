from typing import Sequence, Tuple

from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from torch import Tensor, nn

from mmfreekd.registry import MODELS


@MODELS.register_module()
class PyramidConnector(BaseConnector):
    """A connector of its own for each pyramid level.

    Args:
        connectors (list[dict]): Their configs.
    """

    def __init__(self, connectors: Sequence[dict]) -> None:
        super().__init__()
        self.connectors = nn.ModuleList(map(MODELS.build, connectors))

    def forward_train(self, feature: Sequence[Tensor]) -> Tuple[Tensor, ...]:
        """What each connector makes of its level ``(N, C, H, W)``."""
        pairs = zip(self.connectors, feature, strict=True)
        return tuple(connector(level) for connector, level in pairs)
