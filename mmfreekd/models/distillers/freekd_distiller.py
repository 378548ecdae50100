from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import torch
from mmengine.model import BaseModel
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    RecorderManager,
)
from torch import Tensor, nn

from ...errors import UsageError
from ...registry import MODELS
from ..connectors.feature_align_connector import (
    FeatureAlignConnector,
    resized,
)
from ..losses import FreeKDLoss
from ..losses.foreign import guarded
from ..probe import probe
from ..pyramid import map_sizes, tensors_of
from ..sources import find_source
from .expansion import expand, one_source

MODULE_RECORDERS = (ModuleOutputsRecorder, ModuleInputsRecorder)
# of the short form, where there is none
UNUSED = ('paper', 1.0, None, None)
CONNECTED = ('connector', 'connector_idx')


@MODELS.register_module()
class FreeKDDistiller(ConfigurableDistiller):
    """MMRazor's ``ConfigurableDistiller`` with a short form for FreeKD.

    The short form names a layer; recorders, connector, loss and mapping
    follow from what it puts out in both models, found by one forward pass::

        distiller=dict(type='mmfreekd.FreeKDDistiller', source='neck',
                       preset='paper')

    They are called ``feature`` (the recorders), ``align`` (the connector) and
    ``loss_freekd``. There is a connector where channels or sizes differ, or
    where ``connectors`` lists one of that name.

    The long form is MMRazor's, and can be combined with the short one.
    ``record_idx`` in ``loss_forward_mappings`` may be a list as well: of a
    layer that runs once per pyramid level, ``record_idx=[0, 1, 2, 3, 4]``
    gives a tuple of five levels. So may ``data_idx``: of a layer that puts
    out five levels, ``data_idx=[1, 2, 3, 4]`` takes the last four.

    Args:
        source (str, optional): The layer of both models, such as ``'neck'``.
            Defaults to None.
        student_source (str, optional): The student's layer, where they
            differ. Defaults to None.
        teacher_source (str, optional): The teacher's. Defaults to None.
        preset (str | dict): The variant of FreeKD, see
            :func:`mmfreekd.presets.resolve_preset`. Defaults to 'paper'.
        loss_weight (float): The paper's mu. Defaults to 1.0.
        prompt_ckpt (str, optional): The ``prompts.pth`` of stage 1. Defaults
            to None.
        data_idx (int | list[int], optional): Which pyramid levels of both
            layers are compared, such as -1 for the last. None: those of about
            the same size. Defaults to None.
        **long_form (dict): Arguments of MMRazor's ``ConfigurableDistiller``.

    Raises:
        UsageError: If a layer does not exist, the loss mappings name
            something that is not there, or a loss, connector or recorder is
            not used.
    """

    def __init__(
        self,
        source: Optional[str] = None,
        student_source: Optional[str] = None,
        teacher_source: Optional[str] = None,
        preset: Union[str, dict] = 'paper',
        loss_weight: float = 1.0,
        prompt_ckpt: Optional[str] = None,
        data_idx: Union[int, Sequence[int], None] = None,
        **long_form,
    ) -> None:
        self._expansion: Optional[dict] = None
        if source or student_source or teacher_source:
            self._expansion = dict(
                sources=(
                    one_source(source, student_source, 'student'),
                    one_source(source, teacher_source, 'teacher'),
                ),
                loss=dict(
                    preset=preset,
                    loss_weight=loss_weight,
                    prompt_ckpt=prompt_ckpt,
                ),
                data_idx=data_idx,
                given=long_form,
            )
            long_form = {}
        elif (preset, loss_weight, prompt_ckpt, data_idx) != UNUSED:
            raise UsageError(
                'distiller: preset, loss_weight, prompt_ckpt and data_idx '
                'belong to the short form. Name a layer by source, or give '
                'them to the FreeKDLoss in distill_losses'
            )
        super().__init__(**long_form)

    def prepare_from_student(self, model: BaseModel) -> None:
        """Attach the student's recorders; the short form waits for both."""
        if self._expansion is None:
            self._attached = check_sources(
                self.student_recorders, model, 'student'
            )
            super().prepare_from_student(model)
        else:
            self._expansion['student'] = model

    def prepare_from_teacher(self, model: nn.Module) -> None:
        """Attach the teacher's recorders."""
        if self._expansion is not None:
            self._expand(model)
        check_sources(self.teacher_recorders, model, 'teacher')
        super().prepare_from_teacher(model)
        check_use(self)

    def _expand(self, teacher: nn.Module) -> None:
        """Build what the short form stands for."""
        expansion, self._expansion = self._expansion, None
        student = expansion.pop('student')
        s_source, t_source = expansion['sources']
        probed = probe(
            (student, s_source, 'student'), (teacher, t_source, 'teacher')
        )
        super().__init__(**expand(probed=tuple(probed), **expansion))
        self.prepare_from_student(student)

    def compute_distill_losses(self) -> Dict[str, Tensor]:
        """The distillation losses of what was recorded."""
        return {name: self._loss(name) for name in self.loss_forward_mappings}

    def _loss(self, name: str) -> Tensor:
        loss, inputs = self.distill_losses[name], self.loss_inputs(name)
        students, teachers = (
            [
                inputs[key]
                for key, record in self.loss_forward_mappings[name].items()
                if record['from_student'] is of_student
            ]
            for of_student in (True, False)
        )
        own = type(loss).__module__.startswith('mmfreekd.')
        if own or len(teachers) != 1:
            return loss(**inputs)
        where = f'{name} ({type(loss).__name__})'
        return guarded(lambda: loss(**inputs), students[0], *teachers, where)

    def student_features(
        self, name: str
    ) -> Iterator[Tuple[str, List[Tensor]]]:
        """What a loss compares of the student.

        Args:
            name (str): The loss.

        Yields:
            tuple[str, list[Tensor]]: A layer, and what was recorded of it.
        """
        for record in self.loss_forward_mappings[name].values():
            if record['from_student']:
                plain = {k: v for k, v in record.items() if k not in CONNECTED}
                source = self.student_recorders.get_recorder(
                    record['recorder']
                ).source
                yield source, tensors_of(self.get_record(**plain))

    def check_deliveries(self) -> None:
        """Raise ``UsageError`` if the teacher delivered nothing."""
        for name, delivery in self.deliveries.deliveries.items():
            if not delivery.data_queue:
                raise UsageError(
                    f'distill_deliveries.{name} has no effect: the teacher '
                    'does not call that function. Remove it, or name the '
                    'module in which the teacher looks it up'
                )

    def check_first_batch(self, losses: Dict[str, Tensor]) -> None:
        """Raise ``UsageError`` if a loss cannot train the student.

        Args:
            losses (dict[str, Tensor]): What :meth:`compute_distill_losses`
                returned.
        """
        for name, loss in losses.items():
            every: List[Tensor] = []
            for source, levels in self.student_features(name):
                frozen = [
                    i for i, x in enumerate(levels) if not x.requires_grad
                ]
                if frozen:
                    raise UsageError(
                        f'{name} cannot train the student: pyramid level(s) '
                        f'{frozen} of its layer {source!r} have no gradient. '
                        'The layers up to it are frozen (frozen_stages, '
                        'requires_grad), or it is inside of what recomputes '
                        'activations (with_cp, activation_checkpointing). '
                        'Take another layer, or switch that off'
                    )
                every += levels
            if not loss.requires_grad or not any(
                gradient is not None
                for gradient in torch.autograd.grad(
                    loss.sum(), every, retain_graph=True, allow_unused=True
                )
            ):
                raise UsageError(
                    f'{name} cannot train the student: it has no gradient for '
                    "the student's feature. The loss, or a connector before "
                    'it, detaches it; take another one'
                )

    def reattach(self, student: BaseModel) -> None:
        """Follow layers that were replaced, as by ``sync_bn`` of mmengine."""
        for recorder in self.student_recorders.recorders.values():
            if isinstance(recorder, MODULE_RECORDERS):
                module = student.get_submodule(recorder.source)
                if self._attached.get(recorder.source) is not module:
                    recorder.prepare_from_model(student)
                    self._attached[recorder.source] = module

    def loss_inputs(self, name: str) -> Dict[str, Any]:
        """What a loss is called with, from both models' records.

        Args:
            name (str): The loss.

        Returns:
            dict: Its arguments. A student's feature that goes through a
            ``FeatureAlignConnector`` or to a ``FreeKDLoss`` has the size of
            the teacher's.
        """
        mapping = self.loss_forward_mappings[name]
        teachers = {
            key: self.get_record(**record)
            for key, record in mapping.items()
            if not record['from_student']
        }
        sizes = None
        if len(teachers) == 1:
            sizes = map_sizes(*teachers.values())
        inputs = {
            key: teachers[key]
            if key in teachers
            else self.get_record(**record, sizes=sizes)
            for key, record in mapping.items()
        }
        if sizes and isinstance(self.distill_losses[name], FreeKDLoss):
            inputs['s_feature'] = resized(inputs['s_feature'], sizes)
        return inputs

    def teacher_sources(self) -> Dict[str, int]:
        """The teacher's layers that are recorded, and how often each runs.

        Returns:
            dict[str, int]: Empty if something else than modules is
            recorded, or anything delivered: then the teacher has to run to
            its end.
        """
        return self._sources(self.teacher_recorders, False)

    def student_sources(self) -> Dict[str, int]:
        """The same for the student's layers."""
        return self._sources(self.student_recorders, True)

    def _sources(
        self, manager: RecorderManager, from_student: bool
    ) -> Dict[str, int]:
        recorders = manager.recorders
        if self.deliveries.deliveries or not all(
            isinstance(r, MODULE_RECORDERS) for r in recorders.values()
        ):
            return {}
        times: Dict[str, int] = {r.source: 1 for r in recorders.values()}
        for mapping in self.loss_forward_mappings.values():
            for record in mapping.values():
                if record['from_student'] == from_student:
                    source = recorders[record['recorder']].source
                    last = max(_indices(record.get('record_idx', 0)))
                    times[source] = max(times[source], last + 1)
        return times

    def get_record(
        self,
        recorder: str,
        from_student: bool,
        record_idx: Union[int, Sequence[int]] = 0,
        data_idx: Union[int, Sequence[int], None] = None,
        connector: Optional[str] = None,
        connector_idx: Optional[int] = None,
        sizes: Optional[Sequence[Tuple[int, int]]] = None,
    ) -> Any:
        """What a recorder holds, or a tuple of it for several indices.

        Args:
            recorder, from_student, record_idx, data_idx, connector,
                connector_idx: As in ``loss_forward_mappings``.
            sizes (list[tuple[int, int]], optional): ``(H, W)`` of each
                pyramid level that a ``FeatureAlignConnector`` resizes to.
                None: it does not. Defaults to None.

        Raises:
            UsageError: If the layer has not run that often, or has not as
                many outputs.
        """
        manager = (
            self.student_recorders if from_student else self.teacher_recorders
        )
        source = manager.get_recorder(recorder)
        indices = _indices(record_idx)
        ran = len(source.data_buffer)
        if ran <= max(indices):
            raise UsageError(
                f'{source.source!r} of the '
                f'{"student" if from_student else "teacher"} has run {ran} '
                f'time(s), but recorder {recorder!r} is asked for '
                f'record_idx={record_idx}: take a layer that runs as often'
            )
        record: Any = tuple(
            _parts(source.data_buffer[i], data_idx, recorder) for i in indices
        )
        if isinstance(record_idx, int):
            (record,) = record
        if connector:
            module = self.connectors[connector]
            if isinstance(module, FeatureAlignConnector):
                record = module(record, sizes)
            else:
                record = module(record)
        return record if connector_idx is None else record[connector_idx]

    def _check_loss_forward_mappings(self, *args) -> None:
        try:
            super()._check_loss_forward_mappings(*args)
        except (AssertionError, TypeError) as error:
            raise UsageError(
                f'distiller.loss_forward_mappings: {error}'
            ) from error


def _indices(index: Union[int, Sequence[int]]) -> Sequence[int]:
    return [index] if isinstance(index, int) else index


def _parts(
    record: Any, data_idx: Union[int, Sequence[int], None], recorder: str
) -> Any:
    """One or several of a layer's outputs, or all of them for None."""
    if data_idx is None:
        return record
    chosen = _indices(data_idx)
    held = len(record) if isinstance(record, (list, tuple)) else 1
    if held == 1 or not all(-held <= i < held for i in chosen):
        raise UsageError(
            f'recorder {recorder!r} holds {held} output(s), but is asked for '
            f'data_idx={data_idx}: take other indices, or another layer'
        )
    parts = tuple(record[i] for i in chosen)
    return parts[0] if isinstance(data_idx, int) else parts


def check_sources(
    manager: RecorderManager, model: nn.Module, who: str
) -> Dict[str, nn.Module]:
    """The recorded modules by their names.

    Raises:
        UsageError: If one does not exist.
    """
    return {
        recorder.source: find_source(model, recorder.source, who)
        for recorder in manager.recorders.values()
        if isinstance(recorder, MODULE_RECORDERS)
    }


def check_use(distiller: ConfigurableDistiller) -> None:
    """Raise ``UsageError`` if something is configured without effect."""
    mappings = distiller.loss_forward_mappings
    if not mappings:
        raise UsageError(
            'distiller: nothing is distilled. Name a layer by source, such '
            "as source='neck', or set distill_losses and loss_forward_mappings"
        )
    records = [r for mapping in mappings.values() for r in mapping.values()]
    unused = [
        f'distill_losses.{name}'
        for name in distiller.distill_losses
        if name not in mappings
    ]
    used = {r['connector'] for r in records if r.get('connector')}
    unused += [
        f'connectors.{name}'
        for name in distiller.connectors
        if name not in used
    ]
    for who, of_student in (('student', True), ('teacher', False)):
        used = {
            r['recorder'] for r in records if r['from_student'] is of_student
        }
        unused += [
            f'{who}_recorders.{name}'
            for name in getattr(distiller, f'{who}_recorders').recorders
            if name not in used
        ]
    if unused:
        raise UsageError(
            f'distiller: {", ".join(unused)} would have no effect: every '
            'loss, connector and recorder must be used in '
            'loss_forward_mappings. Add it there, or remove it'
        )
    one_sided = [
        name
        for name, mapping in mappings.items()
        if len({record['from_student'] for record in mapping.values()}) < 2
    ]
    if one_sided:
        raise UsageError(
            f'distiller: {", ".join(one_sided)} would not compare student '
            'and teacher: in loss_forward_mappings, from_student must be '
            'True for one argument and False for another'
        )
    unsummed = [name for name in mappings if 'loss' not in name]
    if unsummed:
        raise UsageError(
            f'distiller: {", ".join(unsummed)} would not be trained on: '
            "mmengine adds up what has 'loss' in its name. Call it "
            f'loss_{unsummed[0]}'
        )
