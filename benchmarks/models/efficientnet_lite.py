from typing import Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfreekd.registry import MODELS

# expansion, channels, blocks, stride, kernel size of each stage of lite0
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class SameConv(nn.Conv2d):
    """A convolution without bias, padded at the end as TensorFlow does."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=dilation * (kernel_size // 2) if stride == 1 else 0,
            dilation=dilation,
            groups=groups,
            bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        stride = self.stride[0]
        if stride > 1:
            # (left, right), then (top, bottom): F.pad starts at the last axis
            pads = []
            for size in (x.size(3), x.size(2)):
                rest = self.kernel_size[0] - 1 - (size - 1) % stride
                total = max(rest, 0)
                pads += [total // 2, total - total // 2]
            x = F.pad(x, pads)
        return super().forward(x)


class Block(nn.Module):
    """An inverted residual block, named as in the reference weights."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int,
        kernel_size: int,
        stride: int,
        dilation: int,
    ) -> None:
        super().__init__()
        mid = in_channels * expansion
        if expansion > 1:
            self._expand_conv = SameConv(in_channels, mid, 1)
            self._bn0 = nn.BatchNorm2d(mid, eps=1e-3)
        self._depthwise_conv = SameConv(
            mid, mid, kernel_size, stride, groups=mid, dilation=dilation
        )
        self._bn1 = nn.BatchNorm2d(mid, eps=1e-3)
        self._project_conv = SameConv(mid, out_channels, 1)
        self._bn2 = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.expands = expansion > 1
        self.skips = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = x
        if self.expands:
            out = F.relu6(self._bn0(self._expand_conv(out)), inplace=True)
        out = F.relu6(self._bn1(self._depthwise_conv(out)), inplace=True)
        out = self._bn2(self._project_conv(out))
        return x + out if self.skips else out


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite0, with the layer names of the reference weights.

    Args:
        out_indices (list[int]): The stages, 0 to 6, whose outputs are
            returned; no stage after the last of them is built. Defaults to
            ``(2, 4, 6)``, strides 8, 16 and 32.
        max_stride (int): Later stages keep the resolution and dilate their
            convolutions instead. Defaults to 32.
        checkpoint (str, optional): The reference weights, of which every
            layer that was built must be found. Defaults to None.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (2, 4, 6),
        max_stride: int = 32,
        checkpoint: Optional[str] = None,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self._conv_stem = SameConv(3, 32, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        self._blocks = nn.ModuleList()
        self.outputs = []  # indices of the last blocks of out_indices
        channels, total, dilation = 32, 2, 1
        stages = STAGES[: max(out_indices) + 1]
        for index, (expand, out, blocks, stride, kernel) in enumerate(stages):
            for i in range(blocks):
                step = stride if i == 0 else 1
                before = dilation
                if total * step > max_stride:
                    dilation, step = dilation * step, 1
                total *= step
                self._blocks.append(
                    Block(channels, out, expand, kernel, step, before)
                )
                channels = out
            if index in out_indices:
                self.outputs.append(len(self._blocks) - 1)

    def init_weights(self) -> None:
        """Load the reference weights."""
        if self.checkpoint is not None:
            weights = torch.load(self.checkpoint, weights_only=True)
            self.load_state_dict({k: weights[k] for k in self.state_dict()})

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """The outputs of the chosen stages, ``(N, C, H, W)`` each."""
        # twice as fast to train on a CPU, depthwise convolutions above all
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu6(self._bn0(self._conv_stem(x)))
        outputs = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.outputs:
                outputs.append(x.contiguous())
        return tuple(outputs)
