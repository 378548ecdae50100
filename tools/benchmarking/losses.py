"""The losses that are compared, and the features that they compare."""

import json
import logging
from importlib import import_module
from typing import Callable, List, NamedTuple, Sequence, Tuple

import torch
from mmengine.logging import MMLogger
from mmrazor.models.architectures.connectors import MGDConnector
from mmrazor.models.losses import MGDLoss
from torch import Tensor, nn

from mmfreekd.errors import UsageError
from mmfreekd.frequency import num_bands, wavedec2
from mmfreekd.models import FreeKDLoss

Pyramid = Sequence[Tensor]
Loss = Callable[[Pyramid, Pyramid], Tensor]
PRESETS = ('official', 'paper', 'plus', 'recommended')


class Features(NamedTuple):
    """The shapes of a teacher's feature.

    Attributes:
        channels (int): C.
        sizes (tuple): Height and width of each pyramid level.
        batch (int): Images N. Defaults to 2.
    """

    channels: int
    sizes: Tuple[Tuple[int, int], ...]
    batch: int = 2

    def make(self, device: str = 'cpu') -> Tuple[List[Tensor], List[Tensor]]:
        """A student's and a teacher's, of random numbers, seeded."""
        generator = torch.Generator().manual_seed(0)
        student, teacher = (
            [
                torch.randn(
                    self.batch, self.channels, *size, generator=generator
                ).to(device)
                for size in self.sizes
            ]
            for _ in range(2)
        )
        return [s.requires_grad_() for s in student], teacher


FPN_800_1216 = ((100, 152), (50, 76), (25, 38), (13, 19), (7, 10))
FPN_800_1344 = ((100, 168), (50, 84), (25, 42), (13, 21), (7, 11))
FEATURES = {
    'RetinaNet FPN, 800x1216': Features(256, FPN_800_1216),
    'RepPoints FPN, 800x1344': Features(256, FPN_800_1344),
    'PSPNet stage 4, 512x512': Features(2048, ((64, 64),)),
}
QUICK = {'quick': Features(16, ((26, 38), (13, 19)))}
OTHERS = dict(
    l1='torch.nn.functional:l1_loss',
    mse='torch.nn.functional:mse_loss',
    CWD='mmrazor.models:ChannelWiseDivergence',
    PKD='mmrazor.models:PKDLoss',
    MGD='benchmarking.losses:MGD:{"channels": CHANNELS}',
)


def all_losses(
    features: Features, named: Sequence[str], device: str = 'cpu'
) -> dict:
    """The losses of the table, by name.

    Args:
        features (Features): What they compare.
        named (list[str]): More of them, by import path.
        device (str): Where the work is done. Defaults to 'cpu'.

    Returns:
        dict[str, Callable]: Each takes the pyramids of student and teacher.
    """
    losses = {
        name: by_path(path, features, device) for name, path in OTHERS.items()
    }
    for preset in PRESETS:
        losses[f'FreeKD {preset}'] = freekd(features, preset, device)
    losses['FreeKD paper, no position weight'] = freekd(
        features, 'paper', device, position_gate=None
    )
    losses['FreeKD official, literally'] = LiteralOfficial(features).to(device)
    return losses | {path: by_path(path, features, device) for path in named}


def by_path(path: str, features: Features, device: str = 'cpu') -> Loss:
    """A loss of two features, added over the pyramid levels.

    Args:
        path (str): ``module:name`` of a function or a class of losses, for a
            class with arguments ``module:name:{"argument": value}``; CHANNELS
            in them stands for the number of channels.
        features (Features): What it will compare.
        device (str): Where the work is done. Defaults to 'cpu'.

    Returns:
        Callable: Takes the pyramids of student and teacher.

    Raises:
        UsageError: If there is no such thing.
    """
    module, _, rest = path.partition(':')
    name, _, arguments = rest.partition(':')
    try:
        loss = getattr(import_module(module), name)
        arguments = arguments.replace('CHANNELS', str(features.channels))
        if isinstance(loss, type):
            loss = loss(**json.loads(arguments or '{}'))
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UsageError(
            'a loss is named as module:name, or as '
            f'module:name:{{"argument": value}}, got {path!r}: {error}'
        )
    if isinstance(loss, nn.Module):
        loss = loss.to(device)
    return lambda student, teacher: sum(map(loss, student, teacher))


def freekd(
    features: Features, preset: str, device: str = 'cpu', **changes
) -> FreeKDLoss:
    """FreeKD with random prompts: they cost what tuned ones do."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)  # that they are untuned
    loss = FreeKDLoss(
        features.channels, len(features.sizes), preset=preset, **changes
    )
    logger.setLevel(level)
    generator = torch.Generator().manual_seed(0)
    for name, prompts in loss.named_buffers():
        if name.startswith('prompts_'):
            prompts.normal_(generator=generator)
            prompts /= features.channels**0.5
    return loss.to(device)


class MGD(nn.Module):
    """MMRazor's MGD: the student's feature is masked and made up again.

    Args:
        channels (int): Channels of both features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.connector = MGDConnector(channels, channels)
        self.loss = MGDLoss()

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        """The loss of one pyramid level."""
        return self.loss(self.connector.forward_train(s), t)


class LiteralOfficial(nn.Module):
    """The official preset as its formula reads, with its prompts.

    Both sides are transformed, each of the T masks is made of the teacher's
    whole transform and multiplies both.

    Args:
        features (Features): What it compares.
    """

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.loss = freekd(features, 'official')

    def forward(self, student: Pyramid, teacher: Pyramid) -> Tensor:
        """Add the distance of each level of wavelet and pyramid."""
        total = student[0].new_zeros(())
        for i, (s, t) in enumerate(zip(student, teacher)):
            prompts = getattr(self.loss, f'prompts_{i}')
            s_bands, t_bands = wavedec2(s), wavedec2(t)
            for level in range(1, num_bands(3, 'level')):
                a, b = t_bands.high[level - 1], s_bands.high[level - 1]
                mask = torch.einsum(
                    'tc,nchw->nthw', prompts[level], a.sum(2)
                ).sigmoid()[:, :, None, None]
                # (N, T, C, 3, h, w)
                difference = mask * a[:, None] - mask * b[:, None]
                total = total + difference.abs().mean()
        return total
