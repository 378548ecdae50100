from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmrazor.models.algorithms import BaseAlgorithm
from torch import Tensor, nn

from ...checkpoints import refuse_foreign
from ...errors import UsageError
from ...frequency import band_names, mask_overlap
from ...presets import resolve_preset
from ...registry import MODELS
from ..candidates import refuse_unsteady
from ..feature_errors import note_errors
from ..finite import FiniteCheck
from ..layers import FrequencyPrompt
from ..probe import probe
from ..pyramid import Feature, channels_per_level, pyramid_levels
from ..sources import StopAfter, composite_mode, find_source
from ..tokens import fold_tokens, token_shapes, unfold_maps
from ..zoo import build_model, load_teacher, refuse_random_teacher
from .proxy import Proxy


@MODELS.register_module()
class FrequencyPromptTuning(Proxy, BaseAlgorithm):
    r"""Stage 1: tune frequency prompts on the teacher (paper, section 3.2).

    .. math:: L = L_{task} + \lambda L_{dis}

    The prompts stand at the output of one layer: what they let through
    replaces the teacher's feature, and the teacher's head runs on it. Only
    the prompts train; checkpoints hold nothing else.

    Args:
        architecture (dict | BaseModel): The teacher: a model, its config, or
            ``dict(cfg_path=..., **changes)`` as
            :func:`mmfreekd.models.zoo.build_model` takes it.
        channels (int | list[int], optional): Channels of the feature, one
            number or one per pyramid level. None: found by a forward pass.
            Defaults to None.
        teacher_ckpt (str, optional): The teacher's checkpoint, which must
            match it key by key. None: the teacher brings its weights along,
            as a built model or by its ``init_cfg``. Defaults to None.
        source (str): The layer whose output is prompted: a map, a tuple of
            maps, or the tokens of a transformer's encoder, which are folded
            into maps and back (:mod:`mmfreekd.models.tokens`). Defaults to
            'neck'.
        num_levels (int, optional): Pyramid levels. None: as many as there
            are channels. Defaults to None.
        prompt (dict, optional): More arguments of
            :class:`mmfreekd.models.FrequencyPrompt`: num_prompts, levels,
            band_layout, wavelet. None: the preset's. Defaults to None.
        loss_dissimilarity (dict, optional): Config of the prompts' loss.
            None: :class:`mmfreekd.models.PromptDissimilarityLoss` of the
            preset's kind. Defaults to None.
        data_preprocessor (dict, optional): That of a teacher which brings
            none along; mmengine passes the one at the top of a config.
            Defaults to None.
        preset (str | dict): The same as in stage 2, see
            :func:`mmfreekd.presets.resolve_preset`. Defaults to 'paper'.
        data_idx (int | list[int], optional): Which pyramid levels of the
            output are prompted; the others pass as they are. None: all.
            Defaults to None.
        task_loss (bool): Whether the teacher's own loss is trained on. False:
            in its place :math:`|F' - F|^2 / |F|^2`, how much of the feature
            the masks hold back, for a teacher without a task, or data
            without labels of its classes. The paper has no such case. Then
            the teacher runs no further than the layer, and validation
            measures that error. Defaults to True.
        on_nonfinite (str): What to do where a loss is not finite: ``'raise'``
            or ``'skip'`` the step, see :mod:`mmfreekd.models.finite`.
            Defaults to 'raise'.

    Raises:
        CheckpointError: If the teacher's checkpoint is missing or does not
            match.
        UsageError: If the layer does not exist, its feature has other levels
            or channels, or is another one in training than in evaluation.
    """

    def __init__(
        self,
        architecture: Union[dict, BaseModel],
        channels: Union[int, Sequence[int], None] = None,
        teacher_ckpt: Optional[str] = None,
        source: str = 'neck',
        num_levels: Optional[int] = None,
        prompt: Optional[dict] = None,
        loss_dissimilarity: Optional[dict] = None,
        data_preprocessor: Optional[dict] = None,
        preset: Union[str, dict] = 'paper',
        data_idx: Union[int, Sequence[int], None] = None,
        task_loss: bool = True,
        on_nonfinite: str = 'raise',
    ) -> None:
        finite_check = FiniteCheck(on_nonfinite)
        choices = resolve_preset(preset, **(prompt or {}))
        teacher_is_built = isinstance(architecture, BaseModel)
        super().__init__(
            build_model(architecture, 'architecture', data_preprocessor)
        )
        self.hide('architecture')
        self.source = source
        self.teacher_ckpt = teacher_ckpt
        self._teacher_has_weights = load_teacher(
            self.teacher, teacher_ckpt, teacher_is_built
        )
        self.teacher.requires_grad_(False)
        refuse_foreign(self)
        if channels is None:
            channels, data_idx = self._find_channels(data_idx)
        elif data_idx is not None and min(_indices(data_idx)) < 0:
            _, data_idx = self._find_channels(data_idx)
        self.data_idx = None if data_idx is None else _indices(data_idx)
        self.prompts = nn.ModuleList(
            FrequencyPrompt(c, choices.num_prompts, **choices.layout)
            for c in channels_per_level(channels, num_levels)
        )
        self.loss_dissimilarity = MODELS.build(
            loss_dissimilarity
            or dict(
                type='mmfreekd.PromptDissimilarityLoss', kind=choices.overlap
            )
        )
        self.finite_check = finite_check
        # of an iteration, the chosen levels only
        self._features: List[Tensor] = []
        self._prompted: List[Tensor] = []
        self._masks: List[List[Tensor]] = []
        find_source(self.teacher, source, 'teacher').register_forward_hook(
            self._prompt_output, with_kwargs=True
        )
        self.task_loss = task_loss
        if not task_loss:  # its hook comes after the one that prompts
            self._run_teacher = StopAfter(self.teacher, {source: 1})

    def _find_channels(
        self, data_idx: Union[int, Sequence[int], None]
    ) -> Tuple[List[int], Optional[List[int]]]:
        """Channels and indices of the levels that are prompted."""
        ((shapes, _),) = probe((self.teacher, self.source, 'teacher'))
        refuse_unsteady(self.teacher, self.source, 'teacher')
        if data_idx is None:
            return [shape[0] for shape in shapes], None
        chosen = _indices(data_idx)
        if not all(-len(shapes) <= i < len(shapes) for i in chosen):
            raise UsageError(
                f'data_idx={data_idx} chooses pyramid levels that '
                f'{self.source!r} does not have: there are {len(shapes)}'
            )
        chosen = [i % len(shapes) for i in chosen]
        return [shapes[i][0] for i in chosen], chosen

    def hidden(self) -> tuple:
        """The frozen teacher."""
        return (self.teacher,)

    @property
    def teacher(self) -> BaseModel:
        """The architecture, by its part in distillation."""
        return self.architecture

    def init_weights(self) -> None:
        """Nothing to initialise; mmengine calls it when training starts.

        Raises:
            UsageError: If the teacher has not been trained.
        """
        refuse_random_teacher(self._teacher_has_weights)

    def train(self, mode: bool = True) -> 'FrequencyPromptTuning':
        """Switch the mode; every layer of the teacher stays in evaluation.

        See :func:`mmfreekd.models.sources.composite_mode`.
        """
        nn.Module.train(self, mode)
        composite_mode(self.teacher, mode)
        return self

    def loss(
        self,
        inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> Dict[str, Tensor]:
        """The losses of a batch.

        Args:
            inputs (Tensor): Preprocessed images ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): Their labels.

        Returns:
            dict[str, Tensor]: The teacher's own losses on its prompted
            feature, ``loss_dissimilarity``, and the statistic
            ``mask_overlap``.
        """
        self._forget()
        self.finite_check.begin(self)
        losses = self._teacher_losses(inputs, data_samples)
        if not self._masks:
            raise UsageError(
                f'the teacher ran without passing {self.source!r}: take a '
                'layer that its forward pass uses'
            )
        losses['loss_dissimilarity'] = self.loss_dissimilarity(self._masks)
        every = [mask for level in self._masks for mask in level]
        with torch.no_grad():
            losses['mask_overlap'] = mask_overlap(every)
        return losses

    def parse_losses(
        self, losses: Dict[str, Tensor]
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Add up what is trained on, and look whether it is finite.

        Raises:
            FloatingPointError: See :class:`mmfreekd.models.finite
                .FiniteCheck`.
        """
        loss, log_vars = super().parse_losses(losses)
        loss = self.finite_check(loss, losses, self._made_of())
        self._forget()
        return loss, log_vars

    def _forget(self) -> None:
        """Keep no feature alive beyond its iteration."""
        self._features, self._prompted, self._masks = [], [], []

    def _made_of(self) -> Iterator[Tuple[str, Tensor]]:
        """The teacher's feature and the prompts, each with where it is."""
        for i, x in enumerate(self._features):
            yield (
                f"the teacher's feature {self.source!r}, pyramid level {i}",
                x,
            )
        for i, prompt in enumerate(self.prompts):
            names = band_names(prompt.levels, prompt.band_layout)
            for name, own in zip(names, prompt.prompts):
                yield f'the prompts of pyramid level {i}, band {name}', own

    def _teacher_losses(
        self, inputs: Tensor, data_samples: Optional[List[BaseDataElement]]
    ) -> Dict[str, Tensor]:
        if self.task_loss:
            return self.teacher(inputs, data_samples, mode='loss')
        self._run_teacher(inputs, data_samples, mode='tensor')
        errors = [
            (p - x).square().sum() / x.square().sum().clamp_min(1e-12)
            for p, x in zip(self._prompted, self._features)
        ]
        return dict(loss_reconstruction=torch.stack(errors).mean())

    def _predict(
        self,
        inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> List[BaseDataElement]:
        if self.task_loss:
            return self.teacher(inputs, data_samples, mode='predict')
        with torch.no_grad():
            self._run_teacher(inputs, data_samples, mode='tensor')
        samples = note_errors(data_samples, self._prompted, self._features)
        self._forget()
        return samples

    def _prompt_output(
        self, module: nn.Module, args: tuple, kwargs: dict, output: Feature
    ) -> Feature:
        shapes = token_shapes(output, kwargs)
        if shapes is not None:
            return unfold_maps(self._prompt(fold_tokens(output, shapes)))
        if isinstance(output, Tensor):
            return self._prompt([output])[0]
        return self._prompt(output)

    def _chosen(self, maps: Sequence[Tensor]) -> Sequence[int]:
        return range(len(maps)) if self.data_idx is None else self.data_idx

    def _prompt(self, maps: Sequence[Tensor]) -> Tuple[Tensor, ...]:
        """Prompt the chosen levels of all that the source puts out."""
        who = f'FrequencyPromptTuning at {self.source!r}'
        chosen = self._chosen(maps)
        if max(chosen) >= len(maps):
            raise UsageError(
                f'{who} is asked for data_idx={list(chosen)}, but there are '
                f'{len(maps)} pyramid level(s): take other indices'
            )
        levels = pyramid_levels(
            [maps[i] for i in chosen], len(self.prompts), who
        )
        for i, (prompt, x) in enumerate(zip(self.prompts, levels)):
            channels = prompt.prompts.size(2)
            if x.size(1) != channels:
                raise UsageError(
                    f'pyramid level {i} of {self.source!r} has {x.size(1)} '
                    f'channels, expected {channels}: set channels'
                )
        self._features = levels
        self._masks = [p.masks(x) for p, x in zip(self.prompts, levels)]
        prompted = list(maps)
        for i, prompt, masks in zip(chosen, self.prompts, self._masks):
            prompted[i] = prompt(maps[i], masks)
        self._prompted = [prompted[i] for i in chosen]
        return tuple(prompted)


def _indices(data_idx: Union[int, Sequence[int]]) -> List[int]:
    return [data_idx] if isinstance(data_idx, int) else list(data_idx)
