from typing import List, Optional, Sequence, Union

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import UsageError
from ...frequency import position_weights
from ...frequency.position import check_softmax_dim, unit_mean
from ...registry import MODELS

LEAST = 1e-6  # so that two sides that agree on no channel leave something
SIDES = dict(
    both=('student', 'teacher'), student=('student',), teacher=('teacher',)
)


@MODELS.register_module()
class PositionGate(BaseModule):
    r"""Position-aware weights of a pyramid (paper, section 3.4).

    .. math:: w = G(A_{teacher}) \, G(A_{student})

    scaled to a mean of 1 over the channels. The context of a pyramid level
    is the next one; for the last level, and where the next has other
    channels, it is the level itself at half its size. No gradient flows
    through the weights into the student: it could lower the loss by weighing
    instead of learning.

    The relation is ``C x C`` for each image and side: 4 C^2 bytes, 16.8 MB
    for C = 2048, and 2 C^2 h w multiplications and additions, where h w is
    the size of the smaller map. Its softmax has no temperature, as in the
    paper: the larger the features, the fewer channels carry the weight.

    Args:
        channels (int | list[int]): Channels C of the aligned features, one
            number or one for each pyramid level.
        side (str): ``'both'``, ``'teacher'`` or ``'student'``. Defaults to
            'both'.
        hidden_channels (int, optional): Width of an MLP C -> hidden -> 1 on
            each channel's relations as the gate G, trained with the loss.
            None: a gate without parameters. Defaults to None.
        softmax_dim (int): See :func:`mmfreekd.frequency.channel_relation`.
            Defaults to -1.

    Raises:
        UsageError: If an argument is out of its range, or an MLP is asked
            for and the levels have different channels.
    """

    def __init__(
        self,
        channels: Union[int, Sequence[int]],
        side: str = 'both',
        hidden_channels: Optional[int] = None,
        softmax_dim: int = -1,
    ) -> None:
        super().__init__()
        if hidden_channels is not None and hidden_channels < 1:
            raise UsageError(
                f'hidden_channels must be positive, got {hidden_channels}'
            )
        if side not in SIDES:
            raise UsageError(
                f'side must be one of {tuple(SIDES)}, got {side!r}'
            )
        check_softmax_dim(softmax_dim)
        self.sides = SIDES[side]
        self.softmax_dim = softmax_dim
        self.mlp = None
        if hidden_channels is not None:
            widths = {channels} if isinstance(channels, int) else {*channels}
            if len(widths) > 1:
                raise UsageError(
                    'an MLP as position gate needs pyramid levels of the '
                    f'same channels, got {sorted(widths)}: leave '
                    'hidden_channels out'
                )
            self.mlp = nn.Sequential(
                nn.Linear(widths.pop(), hidden_channels),
                nn.ReLU(),
                nn.Linear(hidden_channels, 1),
                nn.Flatten(-2),
            )

    def forward(
        self, student: Sequence[Tensor], teacher: Sequence[Tensor]
    ) -> List[Tensor]:
        """The weights of each pyramid level.

        Args:
            student (list[Tensor]): Aligned features ``(N, C, H, W)``, finest
                first.
            teacher (list[Tensor]): The teacher's, of the same shapes.

        Returns:
            list[Tensor]: ``(N, C)`` with mean 1, for each level.
        """
        features = dict(student=student, teacher=teacher)
        weights = []
        for level in range(len(student)):
            parts = [
                self._weights(features[side], level) for side in self.sides
            ]
            product = torch.stack(parts).clamp_min(LEAST).prod(dim=0)
            weights.append(unit_mean(product))
        return weights

    def _weights(self, pyramid: Sequence[Tensor], level: int) -> Tensor:
        feature, context = pyramid[level].detach(), None
        if level + 1 < len(pyramid) and (
            pyramid[level + 1].size(1) == feature.size(1)
        ):
            context = pyramid[level + 1].detach()
        return position_weights(feature, context, self.mlp, self.softmax_dim)
