import logging
from typing import List, Optional, Sequence, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from ...checkpoints.prompts import load_prompts
from ...errors import UsageError
from ...frequency import frequency_distance, frequency_masks
from ...presets import preset_with
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
        num_prompts (int, optional): Prompts T for each band; 0 for no masks
            at all, plain frequency distillation. None: the preset's.
            Defaults to None.
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str, optional): ``'subband'`` (the paper) or ``'level'``
            (the official code). None: the preset's. Defaults to None.
        low_band (bool, optional): Whether the low band counts. None: the
            preset's. Defaults to None.
        wavelet (str): Defaults to 'haar'.
        position_gate (dict | str, optional): Arguments of
            :class:`mmfreekd.models.PositionGate`, such as
            ``dict(side='both')``; it weighs the channels by their position.
            None: they all count alike. Defaults to 'preset'.
        prompt_ckpt (str, optional): The ``prompts.pth`` of stage 1, or the
            prompts of the official release. None leaves the prompts untuned,
            which :class:`mmfreekd.models.FreeKDDistill` refuses to train
            with. Defaults to None.
        loss_weight (float): The paper's mu. Defaults to 1.0.
        preset (str): ``'paper'``, ``'official'``, ``'plus'`` or
            ``'recommended'``: what is not given otherwise, see
            :mod:`mmfreekd.presets`. Defaults to 'paper'.
        normalize (bool, optional): Whether the channels of both features are
            normalised before they are compared, see
            :func:`mmfreekd.frequency.normalize_channels`; masks and position
            weights are those of the features as they are. None: the
            preset's. Defaults to None.
        refine_masks (bool, optional): Whether a mask is multiplied with the
            student's own under the same prompts (FreeKD+). None: the
            preset's. Defaults to None.
        low_penalty (str, optional): See
            :func:`mmfreekd.frequency.frequency_distance`, as for the next
            three. None: the preset's. Defaults to None.
        high_penalty (str, optional): None: the preset's. Defaults to None.
        prompt_reduction (str, optional): None: the preset's. Defaults to
            None.
        high_weight (float, optional): What the high bands count beside the
            low one, 0 for not at all. None: the preset's. Defaults to None.

    Raises:
        CheckpointError: If the prompts are missing or of another layout.
        UsageError: If an argument is out of its range.
    """

    def __init__(
        self,
        channels: Union[int, Sequence[int]],
        num_levels: Optional[int] = None,
        num_prompts: Optional[int] = None,
        levels: int = 3,
        band_layout: Optional[str] = None,
        low_band: Optional[bool] = None,
        wavelet: str = 'haar',
        position_gate: Union[dict, str, None] = 'preset',
        prompt_ckpt: Optional[str] = None,
        loss_weight: float = 1.0,
        preset: str = 'paper',
        normalize: Optional[bool] = None,
        refine_masks: Optional[bool] = None,
        low_penalty: Optional[str] = None,
        high_penalty: Optional[str] = None,
        prompt_reduction: Optional[str] = None,
        high_weight: Optional[float] = None,
    ) -> None:
        super().__init__()
        choices = preset_with(
            preset,
            num_prompts=num_prompts,
            levels=levels,
            band_layout=band_layout,
            low_band=low_band,
            wavelet=wavelet,
            normalize=normalize,
            refine_masks=refine_masks,
            low_penalty=low_penalty,
            high_penalty=high_penalty,
            prompt_reduction=prompt_reduction,
            high_weight=high_weight,
        )
        if loss_weight < 0:
            raise UsageError(
                f'loss_weight must not be negative, got {loss_weight}'
            )
        self.layout = choices.layout
        self.distance = choices.distance
        self.normalize = choices.normalize
        self.refine_masks = choices.refine_masks
        self.loss_weight = loss_weight
        self.channels = channels_per_level(channels, num_levels)
        self.num_prompts = choices.num_prompts
        self.prompt_ckpt = prompt_ckpt
        self.prompt_meta: dict = {}
        if position_gate == 'preset':
            position_gate = choices.position_gate
        if not isinstance(position_gate, (dict, type(None))):
            raise UsageError(
                'position_gate must be a dict of arguments of PositionGate, '
                f"None or 'preset', got {position_gate!r}"
            )
        self.gate = None
        if position_gate is not None:
            self.gate = PositionGate(self.channels, **position_gate)
        if self.num_prompts != 0:
            self._load_prompts()

    def _load_prompts(self) -> None:
        # with one seed, connectors start alike, however many prompts there are
        with torch.random.fork_rng(devices=[]):
            prompts = torch.nn.ModuleList(
                FrequencyPrompt(c, self.num_prompts, **self.layout)
                for c in self.channels
            )
        if self.prompt_ckpt is not None:
            self.prompt_meta = load_prompts(prompts, self.prompt_ckpt)
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

    def masks(
        self, s_feature: Tensor, t_feature: Tensor, level: int
    ) -> Optional[List[Tensor]]:
        """The frequency masks of one pyramid level, None without prompts."""
        if self.num_prompts == 0:
            return None
        prompts = getattr(self, f'prompts_{level}')
        with torch.no_grad():
            masks = frequency_masks(t_feature, prompts, **self.layout)
            if self.refine_masks:
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
        masks = self.masks(s, t, level)
        return frequency_distance(
            s,
            t,
            masks,
            weights,
            normalize=self.normalize,
            loss_weight=self.loss_weight,
            **self.distance,
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
