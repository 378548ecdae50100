"""The teacher's box head on the student's regions of interest (RoIs).

Two detectors propose different regions, so what their box heads regress
cannot be compared. Here the teacher's head gets the student's RoIs; an
ordinary recorder on one of its layers then records what belongs to them.
"""

from typing import Dict

from mmengine.model import BaseModel
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
)
from torch import nn

from ..errors import UsageError
from .sources import StopAfter

ROI_HEAD = 'roi_head'


class TeacherOnStudentRois:
    """Run a teacher to its neck, and its box head on the student's RoIs.

    Of a cascade, teacher or student, the first stage counts. The RoIs lie in
    the images, so the two may have pyramids of other strides: each extractor
    takes the levels that its own config names.

    Args:
        student (BaseModel): A two-stage detector. It has to run under
            ``recorder`` before the teacher does.
        teacher (BaseModel): Likewise; its weights see no gradient only if
            the caller disables gradients.
        times (dict[str, int]): The teacher's recorded layers, and how often
            each has to run, as :class:`mmfreekd.models.sources.StopAfter`
            takes them.

    Raises:
        UsageError: If one of the two has no box head, or their box
            regressions cannot be compared.
    """

    def __init__(
        self, student: BaseModel, teacher: BaseModel, times: Dict[str, int]
    ) -> None:
        s_stage = first_stage(student, 'student')
        t_stage = first_stage(teacher, 'teacher')
        if not times:
            raise UsageError(
                'student_rois=True records layers only: leave out '
                'distill_deliveries, and take ModuleOutputs or ModuleInputs '
                'as teacher_recorders'
            )
        if any(is_in_roi_head(s) and s.endswith('.fc_reg') for s in times):
            check_regressions(
                student.get_submodule(f'{ROI_HEAD}.bbox_head{s_stage}'),
                teacher.get_submodule(f'{ROI_HEAD}.bbox_head{t_stage}'),
            )
        self.roi_head = teacher.roi_head
        self.stage = [0] if t_stage else []
        self.recorder = ModuleInputsRecorder(
            f'{ROI_HEAD}.bbox_roi_extractor{s_stage}'
        )
        self.recorder.initialize(student)
        feature = 'neck' if teacher.with_neck else 'backbone'
        self.feature = ModuleOutputsRecorder(feature)
        # before StopAfter, whose hook ends the pass
        self.feature.initialize(teacher)
        before = {s: n for s, n in times.items() if not is_in_roi_head(s)}
        self.run_to_feature = StopAfter(teacher, {feature: 1, **before})

    def __call__(self, *args, **kwargs) -> None:
        """Run the teacher; what it is given goes to its forward pass."""
        with self.feature:
            self.run_to_feature(*args, **kwargs)
        # (feature, rois), rois (K, 5): image, x1, y1, x2, y2
        rois = self.recorder.get_record_data(data_idx=1)
        feature = self.feature.get_record_data()
        for recorder in (self.recorder, self.feature):
            recorder.reset_data_buffer()  # features need not wait for a batch
        self.roi_head._bbox_forward(*self.stage, feature, rois)


def is_in_roi_head(source: str) -> bool:
    """Whether a layer depends on RoIs."""
    return source.split('.')[0] == ROI_HEAD


def refuse_own_rois(times: Dict[str, int]) -> None:
    """Raise ``UsageError`` if a layer would see the teacher's own RoIs."""
    for source in filter(is_in_roi_head, times):
        raise UsageError(
            f"teacher_recorders: {source!r} sees the teacher's own regions "
            "of interest, which are not the student's. Set "
            'model.student_rois=True, and the teacher gets those of the '
            'student'
        )


def first_stage(model: BaseModel, who: str) -> str:
    """What follows the names of a first stage: ``'.0'`` in a cascade.

    Raises:
        UsageError: If the model has no box head that takes RoIs.
    """
    extractor = getattr(
        getattr(model, ROI_HEAD, None), 'bbox_roi_extractor', None
    )
    if extractor is None:
        raise UsageError(
            f'student_rois=True needs two-stage detectors, but the {who} '
            f'({type(model).__name__}) has no roi_head with a box head: set '
            'student_rois=False'
        )
    return '.0' if isinstance(extractor, nn.ModuleList) else ''


def check_regressions(s_head: nn.Module, t_head: nn.Module) -> None:
    """Raise ``UsageError`` if two box heads regress different numbers."""
    s_settings, t_settings = map(_regression, (s_head, t_head))
    for name, s in s_settings.items():
        t = t_settings[name]
        if s != t:
            raise UsageError(
                'the box regressions of student and teacher cannot be '
                f"compared: {name} is {s} in the student's box head, {t} in "
                "the teacher's. Set that of the student, "
                'architecture.roi_head.bbox_head, as the teacher has it'
            )


def _regression(head: nn.Module) -> dict:
    """What the numbers of a box regression depend on."""
    coder = head.bbox_coder
    return {
        'reg_class_agnostic': head.reg_class_agnostic,
        # 4 for each class, or 4
        'fc_reg.out_features': head.fc_reg.out_features,
        'bbox_coder.target_means': list(getattr(coder, 'means', ())),
        'bbox_coder.target_stds': list(getattr(coder, 'stds', ())),
    }
