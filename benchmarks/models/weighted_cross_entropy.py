from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmfreekd.registry import MODELS


@MODELS.register_module()
class WeightedCrossEntropy(nn.Module):
    """Cross entropy with class weights and an index that is ignored.

    MMSegmentation 1.2.2 ends with an IndexError where both are used.

    Args:
        class_weight (list[float]): A weight for each class.
    """

    loss_name = 'loss_ce'

    def __init__(self, class_weight: Sequence[float]) -> None:
        super().__init__()
        weight = torch.tensor(class_weight)
        self.register_buffer('class_weight', weight, persistent=False)

    def forward(
        self, score: Tensor, label: Tensor, weight=None, ignore_index=255
    ) -> Tensor:
        """The mean of ``(N, C, H, W)`` scores, weighted by their classes."""
        return F.cross_entropy(
            score, label, self.class_weight, ignore_index=ignore_index
        )
