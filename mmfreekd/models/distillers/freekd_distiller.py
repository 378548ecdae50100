from typing import Any, Dict, Optional, Sequence, Union

from mmengine.model import BaseModel
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    RecorderManager,
)
from torch import nn

from ...errors import UsageError
from ...registry import MODELS
from ..sources import find_source

MODULE_RECORDERS = (ModuleOutputsRecorder, ModuleInputsRecorder)


@MODELS.register_module()
class FreeKDDistiller(ConfigurableDistiller):
    """MMRazor's ``ConfigurableDistiller``, told what it needs of the teacher.

    Takes the same config, and ``record_idx`` in ``loss_forward_mappings`` may
    be a list as well: of a layer that runs once for each pyramid level,
    ``record_idx=[0, 1, 2, 3, 4]`` gives a tuple of five levels. So may
    ``data_idx``: of a layer that puts out five levels, ``data_idx=[1, 2, 3,
    4]`` takes the last four. Unlike MMRazor's, a source layer that does not
    exist is named together with near ones.

    Raises:
        UsageError: If a source layer does not exist, or the loss mappings
            name something that is not there.
    """

    def prepare_from_student(self, model: BaseModel) -> None:
        """Attach the student's recorders."""
        check_sources(self.student_recorders, model, 'student')
        super().prepare_from_student(model)

    def prepare_from_teacher(self, model: nn.Module) -> None:
        """Attach the teacher's recorders."""
        check_sources(self.teacher_recorders, model, 'teacher')
        super().prepare_from_teacher(model)

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
    ) -> Any:
        """What a recorder holds, or a tuple of it for several indices.

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
            record = self.connectors[connector](record)
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
) -> None:
    """Raise ``UsageError`` if a recorder's module does not exist."""
    for recorder in manager.recorders.values():
        if isinstance(recorder, MODULE_RECORDERS):
            find_source(model, recorder.source, who)
