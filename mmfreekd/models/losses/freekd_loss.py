import logging
from typing import List, Optional, Sequence, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import UsageError
from ...frequency import frequency_distance, frequency_masks
from ...frequency.bands import check_layout
from ...frequency.wavelet import check_wavelet
from ...prompt_files import load_prompts
from ...registry import MODELS
from ..layers import FrequencyPrompt, PositionGate
from ..pyramid import Feature, channels_per_level, pyramid_levels


@MODELS.register_module()
class FreeKDLoss(BaseModule):
    """The frequency distance under the teacher's masks (section 3.3).

    The prompts are no parameters and are in no checkpoint: they come from
    ``prompt_ckpt`` whenever the loss is built.

    Args:
        channels (int | list[int]): Channels C of the teacher's feature, one
            number or one for each pyramid level.
        num_levels (int, optional): Pyramid levels. None: as many as channels
            are given, 1 for a single number. Defaults to None.
        num_prompts (int): Prompts T for each band; 0 for no masks at all,
            plain frequency distillation. Defaults to 2.
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str): ``'subband'`` (the paper) or ``'level'`` (the
            official code). Defaults to 'subband'.
        low_band (bool): Whether the low band counts. Defaults to True.
        wavelet (str): Defaults to 'haar'.
        position_gate (dict, optional): Arguments of
            :class:`mmfreekd.models.PositionGate`, such as
            ``dict(side='both')``; it weighs the channels by their position.
            None: they all count alike. Defaults to None.
        prompt_ckpt (str, optional): The ``prompts.pth`` of stage 1. None
            leaves the prompts untuned, which
            :class:`mmfreekd.models.FreeKDDistill` refuses to train with.
            Defaults to None.
        loss_weight (float): The paper's mu. Defaults to 1.0.

    Raises:
        CheckpointError: If the prompts are missing or of another layout.
        UsageError: If an argument is out of its range.
    """

    def __init__(
        self,
        channels: Union[int, Sequence[int]],
        num_levels: Optional[int] = None,
        num_prompts: int = 2,
        levels: int = 3,
        band_layout: str = 'subband',
        low_band: bool = True,
        wavelet: str = 'haar',
        position_gate: Optional[dict] = None,
        prompt_ckpt: Optional[str] = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if loss_weight < 0:
            raise UsageError(
                f'loss_weight must not be negative, got {loss_weight}'
            )
        check_layout(levels, band_layout)
        check_wavelet(wavelet)
        self.layout = dict(
            levels=levels, band_layout=band_layout, wavelet=wavelet
        )
        self.low_band = low_band
        self.loss_weight = loss_weight
        self.channels = channels_per_level(channels, num_levels)
        self.num_prompts = num_prompts
        self.prompt_ckpt = prompt_ckpt
        self.prompt_meta: dict = {}
        self.gate = None
        if position_gate is not None:
            self.gate = PositionGate(self.channels, **position_gate)
        if num_prompts == 0:
            return
        prompts = torch.nn.ModuleList(
            FrequencyPrompt(c, num_prompts, **self.layout)
            for c in self.channels
        )
        if prompt_ckpt is not None:
            self.prompt_meta = load_prompts(prompts, prompt_ckpt)
        else:
            print_log(
                'FreeKDLoss: the frequency prompts are untuned, for there is '
                'no prompt_ckpt; the masks mean nothing',
                logger='current',
                level=logging.WARNING,
            )
        for i, prompt in enumerate(prompts):
            self.register_buffer(
                f'prompts_{i}', prompt.prompts.detach(), persistent=False
            )

    @property
    def untuned(self) -> bool:
        """Whether there are prompts that no stage 1 has tuned."""
        return self.num_prompts > 0 and self.prompt_ckpt is None

    def masks(self, t_feature: Tensor, level: int) -> Optional[List[Tensor]]:
        """The frequency masks of one pyramid level, None without prompts."""
        if self.num_prompts == 0:
            return None
        with torch.no_grad():
            return frequency_masks(
                t_feature, getattr(self, f'prompts_{level}'), **self.layout
            )

    def forward(self, s_feature: Feature, t_feature: Feature) -> Tensor:
        """The distance, added over the pyramid levels and weighted.

        Args:
            s_feature (Tensor | tuple[Tensor]): The student's feature
                ``(N, C, H, W)``, or one for each pyramid level.
            t_feature (Tensor | tuple[Tensor]): The teacher's, of the same
                shapes; no gradient flows into it.

        Returns:
            Tensor: A scalar.

        Raises:
            UsageError: If the shapes do not fit.
        """
        num_levels = len(self.channels)
        s_levels = pyramid_levels(s_feature, num_levels, 'FreeKDLoss')
        t_levels = pyramid_levels(t_feature, num_levels, 'FreeKDLoss')
        t_levels = [t.detach() for t in t_levels]
        for i, (s, t) in enumerate(zip(s_levels, t_levels)):
            self._check_shapes(s, t, i)
        weights = [None] * num_levels
        if self.gate is not None:
            weights = self.gate(s_levels, t_levels)
        distances = [
            frequency_distance(
                s,
                t,
                self.masks(t, i),
                weights[i],
                low_band=self.low_band,
                **self.layout,
            )
            for i, (s, t) in enumerate(zip(s_levels, t_levels))
        ]
        return self.loss_weight * torch.stack(distances).sum()

    def _check_shapes(self, s: Tensor, t: Tensor, level: int) -> None:
        if t.size(1) != self.channels[level]:
            raise UsageError(
                f"pyramid level {level} of the teacher's feature has "
                f'{t.size(1)} channels, FreeKDLoss expects '
                f'{self.channels[level]}: set its channels, or take another '
                'source layer in teacher_recorders'
            )
        if s.shape != t.shape:
            raise UsageError(
                f'pyramid level {level}: the feature of the student is '
                f'{tuple(s.shape)}, that of the teacher {tuple(t.shape)}. '
                'Align them with a connector, '
                "dict(type='mmfreekd.FeatureAlignConnector', in_channels=..., "
                f'out_channels={t.size(1)}'
                + (
                    ''
                    if s.shape[-2:] == t.shape[-2:]
                    else ', scale_factor=...'
                )
                + ')'
            )
