from typing import List, Optional, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import UsageError
from ...frequency import mask_overlap
from ...frequency.overlap import OVERLAP_KINDS
from ...registry import MODELS


@MODELS.register_module()
class PromptDissimilarityLoss(BaseModule):
    """Keep the prompts of a band from looking at the same (section 3.2).

    Args:
        kind (str): ``'jaccard'`` (the paper) or ``'dice'`` (the official
            code), see :func:`mmfreekd.frequency.mask_overlap`. Defaults to
            'jaccard'.
        diagonal (bool, optional): Whether a mask's overlap with itself
            counts. None: what the kind stands for. Defaults to None.
        loss_weight (float): The paper's lambda. Defaults to 1.0.

    Raises:
        UsageError: If kind is not known.
    """

    def __init__(
        self,
        kind: str = 'jaccard',
        loss_weight: float = 1.0,
        diagonal: Optional[bool] = None,
    ) -> None:
        super().__init__()
        if kind not in OVERLAP_KINDS:
            raise UsageError(
                f'kind must be one of {OVERLAP_KINDS}, got {kind!r}'
            )
        self.kind = kind
        self.diagonal = diagonal
        self.loss_weight = loss_weight

    def forward(self, masks: Sequence[List[Tensor]]) -> Tensor:
        """The overlap, averaged over pyramid levels and weighted.

        Args:
            masks (list[list[Tensor]]): For each pyramid level its B masks
                ``(N, T, h_b, w_b)``.

        Returns:
            Tensor: A scalar.
        """
        overlaps = [
            mask_overlap(level, self.kind, self.diagonal) for level in masks
        ]
        return self.loss_weight * torch.stack(overlaps).mean()
