from typing import Dict

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

    Takes the same config. Unlike it, a source layer that does not exist is
    named together with near ones.

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
        recorders = self.teacher_recorders.recorders
        if self.deliveries.deliveries or not all(
            isinstance(r, MODULE_RECORDERS) for r in recorders.values()
        ):
            return {}
        times: Dict[str, int] = {r.source: 1 for r in recorders.values()}
        for mapping in self.loss_forward_mappings.values():
            for record in mapping.values():
                if not record['from_student']:
                    source = recorders[record['recorder']].source
                    times[source] = max(
                        times[source], record.get('record_idx', 0) + 1
                    )
        return times

    def _check_loss_forward_mappings(self, *args) -> None:
        try:
            super()._check_loss_forward_mappings(*args)
        except (AssertionError, TypeError) as error:
            raise UsageError(
                f'distiller.loss_forward_mappings: {error}'
            ) from error


def check_sources(
    manager: RecorderManager, model: nn.Module, who: str
) -> None:
    """Raise ``UsageError`` if a recorder's module does not exist."""
    for recorder in manager.recorders.values():
        if isinstance(recorder, MODULE_RECORDERS):
            find_source(model, recorder.source, who)
