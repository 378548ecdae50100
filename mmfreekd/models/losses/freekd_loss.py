import logging
from dataclasses import replace
from typing import List, Optional, Sequence, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import UsageError
from ...frequency import frequency_distance, frequency_masks
from ...presets import STAGE_1, resolve_preset, without_none
from ...registry import MODELS
from ..layers import FrequencyPrompt, PositionGate
from ..pyramid import Feature, channels_per_level, pyramid_levels
from ..tuned_prompts import tuned_prompts


@MODELS.register_module()
class FreeKDLoss(BaseModule):
    """The frequency distance under the teacher's masks (section 3.3).

    The prompts are not parameters and are in no checkpoint: they come from
    ``prompt_ckpt`` whenever the loss is built. That file also tells channels,
    pyramid levels, T, J, band layout and wavelet; where these are given as
    well, they have to agree with it.

    Args:
        channels (int | list[int], optional): Channels C of the teacher's
            feature, one number or one per pyramid level. None: those of the
            prompts. Defaults to None.
        num_levels (int, optional): Pyramid levels. None: as many as there
            are channels or prompts, 1 for a single number. Defaults to None.
        num_prompts (int, optional): Prompts T per band; 0 for no masks, plain
            frequency distillation. None: the preset's. Defaults to None.
        levels (int, optional): Wavelet levels J. None: the preset's. Defaults
            to None.
        band_layout (str, optional): ``'subband'`` (the paper) or ``'level'``
            (the official code). None: the preset's. Defaults to None.
        low_band (bool, optional): Whether the low band counts. None: the
            preset's. Defaults to None.
        position_gate (dict | bool, optional): Arguments of
            :class:`mmfreekd.models.PositionGate`, such as
            ``dict(side='both')``. None: the preset's, False: no position
            weights. Defaults to None.
        prompt_ckpt (str, optional): The ``prompts.pth`` of stage 1, or the
            prompts of the official release. None leaves the prompts random,
            which :class:`mmfreekd.models.FreeKDDistill` refuses to train
            with. Defaults to None.
        loss_weight (float): The paper's mu. Defaults to 1.0.
        preset (str | dict): ``'paper'``, ``'official'``, ``'plus'``,
            ``'recommended'``, or ``dict(name=..., **changes)``, see
            :class:`mmfreekd.presets.Preset`. Defaults to 'paper'.
        data_idx (list[int], optional): Which of the teacher's pyramid levels
            are compared; picks their prompts from a file that has more. None:
            all. Defaults to None.

    Raises:
        CheckpointError: If the prompts are missing or do not agree with an
            argument.
        UsageError: If an argument is out of its range.
    """

    def __init__(
        self,
        channels: Union[int, Sequence[int], None] = None,
        num_levels: Optional[int] = None,
        num_prompts: Optional[int] = None,
        levels: Optional[int] = None,
        band_layout: Optional[str] = None,
        low_band: Optional[bool] = None,
        position_gate: Union[dict, bool, None] = None,
        prompt_ckpt: Optional[str] = None,
        loss_weight: float = 1.0,
        preset: Union[str, dict] = 'paper',
        data_idx: Optional[Sequence[int]] = None,
    ) -> None:
        super().__init__()
        if loss_weight < 0:
            raise UsageError(
                f'loss_weight must not be negative, got {loss_weight}'
            )
        self.loss_weight = loss_weight
        self.preset = resolve_preset(
            preset,
            num_prompts=num_prompts,
            levels=levels,
            band_layout=band_layout,
            low_band=low_band,
            position_gate=position_gate,
        )
        if channels is not None:
            channels = channels_per_level(channels, num_levels)
        self.prompt_ckpt = prompt_ckpt
        self.prompt_meta: dict = {}
        prompts: List[Tensor] = []
        if prompt_ckpt is not None and self.preset.num_prompts:
            given = {} if isinstance(preset, str) else preset
            arguments = dict(
                channels=channels,
                num_prompts=num_prompts,
                levels=levels,
                band_layout=band_layout,
            )
            self.prompt_meta, prompts = tuned_prompts(
                prompt_ckpt,
                {**given, **without_none(arguments)},
                num_levels,
                data_idx,
            )
            self._follow(self.prompt_meta)
            channels = [prompt.size(-1) for prompt in prompts]
        elif channels is None:
            raise UsageError(
                "FreeKDLoss needs the channels of the teacher's feature: set "
                'channels, or prompt_ckpt to the prompts.pth of stage 1, '
                'which tells them'
            )
        elif self.preset.num_prompts:
            prompts = self._random_prompts(channels)
        self.channels = channels
        for i, prompt in enumerate(prompts):
            self.register_buffer(f'prompts_{i}', prompt, persistent=False)
        self.gate = None
        if self.preset.position_gate is not None:
            self.gate = PositionGate(channels, **self.preset.position_gate)

    def _follow(self, meta: dict) -> None:
        """Let the preset take the layout of the prompts."""
        own = {key: meta[key] for key in STAGE_1}
        if own != {key: getattr(self.preset, key) for key in STAGE_1}:
            print_log(
                f'FreeKDLoss: {self.prompt_ckpt!r} was tuned with {own}, '
                'other than the preset; the values of the file are used',
                logger='current',
            )
            self.preset = replace(self.preset, **own)

    def _random_prompts(self, channels: Sequence[int]) -> List[Tensor]:
        print_log(
            'FreeKDLoss: prompt_ckpt is not set: the frequency prompts are '
            'random, so the masks carry no information. Run stage 1 first',
            logger='current',
            level=logging.WARNING,
        )
        # with one seed, connectors start alike, however many prompts there are
        with torch.random.fork_rng(devices=[]):
            return [
                FrequencyPrompt(
                    c, self.preset.num_prompts, **self.preset.layout
                ).prompts.detach()
                for c in channels
            ]

    @property
    def untuned(self) -> bool:
        """Whether there are prompts that no stage 1 has tuned."""
        return self.preset.num_prompts > 0 and self.prompt_ckpt is None

    @property
    def layout(self) -> dict:
        """Levels, band layout and wavelet of the masks and the distance."""
        return self.preset.layout

    def masks(
        self, s_feature: Tensor, t_feature: Tensor, level: int
    ) -> Optional[List[Tensor]]:
        """The frequency masks of one pyramid level, None without prompts."""
        if self.preset.num_prompts == 0:
            return None
        prompts = getattr(self, f'prompts_{level}')
        with torch.no_grad():
            masks = frequency_masks(t_feature, prompts, **self.layout)
            if self.preset.refine_masks:
                student = frequency_masks(s_feature, prompts, **self.layout)
                masks = [t * s for t, s in zip(masks, student)]
            return masks

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
            self._distance(s, t, i, weights[i])
            for i, (s, t) in enumerate(zip(s_levels, t_levels))
        ]
        return torch.stack(distances).sum()

    def _distance(
        self, s: Tensor, t: Tensor, level: int, weights: Optional[Tensor]
    ) -> Tensor:
        return frequency_distance(
            s,
            t,
            weights=weights,
            prompts=getattr(self, f'prompts_{level}', None),
            refine_masks=(
                self.preset.refine_masks and self.preset.num_prompts > 0
            ),
            normalize=self.preset.normalize,
            loss_weight=self.loss_weight,
            **self.preset.distance,
        )

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
                f'{tuple(s.shape)}, that of the teacher {tuple(t.shape)}, but '
                'they must have equal shapes. Add a connector, '
                "connectors=dict(align=dict(type='mmfreekd."
                "FeatureAlignConnector', ...)) and connector='align' in the "
                'mapping of s_feature, which projects and resizes'
            )
