from copy import deepcopy

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import UsageError
from ...registry import MODELS
from ..pyramid import Feature, pyramid_levels
from .foreign import guarded


@MODELS.register_module()
class PyramidLoss(BaseModule):
    """A loss of two single features, added over the pyramid levels.

    Serves MMRazor's feature losses (L2Loss, L1Loss, ChannelWiseDivergence,
    PKDLoss, MGDLoss, ...) and those of a detector's head, mmdet.SmoothL1Loss
    and the like: whatever is called as ``loss(student, teacher)``. Each level
    has its own copy of it.

    Args:
        loss (dict): Config of the loss.
        num_levels (int): Pyramid levels. Defaults to 1.
        loss_weight (float): Multiplies the sum, whatever weight the loss
            itself has or has not; 0 switches it off. Defaults to 1.0.

    Raises:
        UsageError: If an argument is out of its range.

    Example:
        >>> # mean squared error of five pyramid levels, weighing 5
        >>> loss = PyramidLoss(
        ...     dict(
        ...         type='mmrazor.L2Loss', normalize=False, div_element=True
        ...     ),
        ...     num_levels=5,
        ...     loss_weight=5.0,
        ... )
    """

    def __init__(
        self, loss: dict, num_levels: int = 1, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if num_levels < 1:
            raise UsageError(f'num_levels must be positive, got {num_levels}')
        if loss_weight < 0:
            raise UsageError(
                f'loss_weight must not be negative, got {loss_weight}'
            )
        self.loss_weight = loss_weight
        self.losses = nn.ModuleList(
            MODELS.build(deepcopy(loss)) for _ in range(num_levels)
        )

    def forward(self, s_feature: Feature, t_feature: Feature) -> Tensor:
        """The loss, added over the pyramid levels and weighted.

        Args:
            s_feature (Tensor | tuple[Tensor]): The student's feature, as
                the loss takes it, often ``(N, C, H, W)``; or one for each
                pyramid level.
            t_feature (Tensor | tuple[Tensor]): The teacher's; no gradient
                flows into it.

        Returns:
            Tensor: A scalar.

        Raises:
            UsageError: If there is another number of levels, or the loss
                cannot compare shapes that differ.
        """
        num_levels = len(self.losses)
        s_levels = pyramid_levels(s_feature, num_levels, 'PyramidLoss')
        t_levels = pyramid_levels(t_feature, num_levels, 'PyramidLoss')
        values = [
            self._level(i, s, t.detach())
            for i, (s, t) in enumerate(zip(s_levels, t_levels))
        ]
        return self.loss_weight * sum(values)

    def _level(self, level: int, s: Tensor, t: Tensor) -> Tensor:
        loss = self.losses[level]
        return guarded(
            lambda: loss(s, t),
            s,
            t,
            f'pyramid level {level}: {type(loss).__name__}',
        )
