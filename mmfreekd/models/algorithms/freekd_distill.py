import logging
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.models.utils import add_prefix
from torch import Tensor, nn

from ...checkpoints import refuse_foreign
from ...errors import UsageError
from ...registry import MODELS
from ..distillers import FreeKDDistiller
from ..finite import FiniteCheck, distilled
from ..inheritance import inherit as inherit_weights
from ..inheritance import start_from
from ..losses import FreeKDLoss
from ..normalization import teacher_normalization
from ..reach import freeze_unreached
from ..sources import StopAfter
from ..student_rois import TeacherOnStudentRois, refuse_own_rois
from ..zoo import build_model, load_teacher, refuse_random_teacher
from .proxy import Proxy, share_tensors, share_tree


@MODELS.register_module()
class FreeKDDistill(Proxy, SingleTeacherDistill):
    r"""Stage 2: the student imitates the teacher (paper, section 3.3).

    .. math:: L = L_{task} + \mu L_{FreeKD}

    The teacher is frozen, in evaluation mode, and runs only as far as the
    recorded layers. To others the algorithm is its student: attributes,
    children, names of parameters and the keys of a checkpoint are the
    student's, and ``distiller`` is one child more.

    Args:
        architecture (dict | BaseModel): The student: a model, its config, or
            ``dict(cfg_path=..., **changes)`` as
            :func:`mmfreekd.models.zoo.build_model` takes it.
        teacher (dict | BaseModel): The teacher, likewise.
        distiller (dict): Config of the distiller, usually
            ``mmfreekd.FreeKDDistiller``.
        teacher_ckpt (str, optional): The teacher's checkpoint, which must
            match it key by key. None: the teacher brings its weights along,
            as a built model or by its ``init_cfg``. Defaults to None.
        calculate_student_loss (bool): Whether the student's task loss is
            trained on as well. False: the student runs no further than its
            recorded layers, needs no labels, and what comes after them is
            frozen. Defaults to True.
        student_rois (bool): Whether the teacher's box head gets the
            student's regions of interest, so that both regress the same
            boxes; for recorders on layers of the teacher's ``roi_head``.
            Defaults to False.
        inherit (list[str], optional): Parts of the student that start from
            the teacher's weights, wherever names and shapes are equal, such
            as ``['neck', 'bbox_head']``. Defaults to None.
        student_ckpt (str, optional): A plain checkpoint that the student
            starts from, before it inherits: all that fits is taken, and what
            does not is logged. Defaults to None.
        on_nonfinite (str): What to do where a loss is not finite: ``'raise'``
            or ``'skip'`` the step, see :mod:`mmfreekd.models.finite`.
            Defaults to 'raise'.
        data_preprocessor (dict, optional): That of a model which brings none
            along; mmengine passes the one at the top of a config. Defaults to
            None.

    Raises:
        CheckpointError: If the teacher's checkpoint is missing or does not
            match.
        UsageError: If a recorded layer does not exist, or depends on regions
            of interest that student and teacher do not share.
    """

    def __init__(
        self,
        architecture: Union[dict, BaseModel],
        teacher: Union[dict, BaseModel],
        distiller: dict,
        teacher_ckpt: Optional[str] = None,
        calculate_student_loss: bool = True,
        student_rois: bool = False,
        inherit: Optional[Sequence[str]] = None,
        student_ckpt: Optional[str] = None,
        on_nonfinite: str = 'raise',
        data_preprocessor: Optional[dict] = None,
    ) -> None:
        finite_check = FiniteCheck(on_nonfinite)
        teacher_is_built = isinstance(teacher, BaseModel)
        student = build_model(architecture, 'architecture', data_preprocessor)
        # with one seed, a student starts as it does when trained alone
        with torch.random.fork_rng(devices=[]):
            super().__init__(
                architecture=student,
                teacher=build_model(teacher, 'teacher', data_preprocessor),
                distiller=distiller,
                calculate_student_loss=calculate_student_loss,
            )
        if not isinstance(self.distiller, FreeKDDistiller):
            raise UsageError(
                'distiller must be mmfreekd.FreeKDDistiller, which takes the '
                f'same arguments, got {type(self.distiller).__name__}'
            )
        self.hide('teacher')
        student = self.hide('architecture')
        self._register_load_state_dict_pre_hook(without_prefix, True)
        refuse_foreign(self)
        self.finite_check = finite_check
        self.teacher_ckpt = teacher_ckpt
        self._teacher_has_weights = load_teacher(
            self.teacher, teacher_ckpt, teacher_is_built
        )
        # no child of the student
        self.__dict__['teacher_normalization'] = teacher_normalization(
            self.data_preprocessor, self.teacher.data_preprocessor
        )
        sources = self.distiller.teacher_sources()
        self.inherit = inherit or ()
        self.student_ckpt = student_ckpt
        self.student_rois = student_rois
        if student_rois:
            self._run_teacher = TeacherOnStudentRois(
                self.student, self.teacher, sources
            )
        else:
            refuse_own_rois(sources)
            self._run_teacher = StopAfter(self.teacher, sources)
        # what is recorded or delivered elsewhere may lie in the losses
        self._teacher_mode = 'tensor' if sources else 'loss'
        own = self.distiller.student_sources()
        self._run_student: Optional[StopAfter] = None
        if not calculate_student_loss and own and not student_rois:
            self._run_student = StopAfter(self.student, own, 'student')
            freeze_unreached(self.student, self._run_student, self.distiller)
        self._is_checked = False
        distiller = self._modules.pop('distiller')
        share_tree(self, student)
        self.register_module('distiller', distiller)  # the last child

    def init_weights(self) -> None:
        """Initialise the student; mmengine calls it when training starts.

        Raises:
            CheckpointError: If nothing of the student's checkpoint fits.
            UsageError: If teacher or prompts have not been trained, or the
                student cannot inherit a part.
        """
        refuse_random_teacher(self._teacher_has_weights)
        for name, loss in self.distiller.distill_losses.items():
            if isinstance(loss, FreeKDLoss) and loss.untuned:
                raise UsageError(
                    f'{name} has no frequency prompts. Tune them in stage 1, '
                    'tools/train.py CONFIG --stage 1, or set prompt_ckpt to '
                    'a file of prompts, or num_prompts=0 for plain frequency '
                    'distillation'
                )
            if isinstance(loss, FreeKDLoss):
                self._compare_teachers(name, loss.prompt_meta)
        self.student.init_weights()
        self.distiller.init_weights()
        if self.student_ckpt is not None:
            start_from(self.student, self.student_ckpt)
        inherit_weights(self.student, self.teacher, self.inherit)

    def _compare_teachers(self, name: str, meta: dict) -> None:
        tuned = meta.get('teacher_ckpt')
        if (
            tuned
            and self.teacher_ckpt
            and (Path(tuned).name != Path(self.teacher_ckpt).name)
        ):
            print_log(
                f'{name}: its prompts were tuned on {tuned!r}, but the '
                f'teacher is {self.teacher_ckpt!r}',
                logger='current',
                level=logging.WARNING,
            )

    def hidden(self) -> tuple:
        """The teacher, its normalisation, and how it is run."""
        return self.teacher, self.teacher_normalization, self._run_teacher

    def _apply(self, fn: Callable, recurse: bool = True) -> 'FreeKDDistill':
        super()._apply(fn, recurse)
        share_tensors(self, self.student)
        return self

    def train(self, mode: bool = True) -> 'FreeKDDistill':
        """Switch the student's mode; the teacher stays in evaluation."""
        nn.Module.train(self, mode)
        self.student.train(mode)
        self.teacher.eval()
        return self

    def loss(
        self,
        batch_inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> Dict[str, Tensor]:
        """The losses of a batch.

        Args:
            batch_inputs (Tensor): Preprocessed images ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): Their labels.

        Returns:
            dict[str, Tensor]: ``student.*``, the student's own losses if
            they are calculated, and ``distill.*``.
        """
        self.distiller.reattach(self.student)
        self.finite_check.begin(self.student, self.distiller)
        if self.distillation_stopped:
            losses = self.student(batch_inputs, data_samples, mode='loss')
            return {**add_prefix(losses, 'student'), **self._idle_loss()}
        batch = batch_inputs, data_samples
        if self.student_rois:  # the teacher has to wait for them
            with self._run_teacher.recorder:
                losses = self._student_losses(*batch)
            self._record_teacher(*batch)
        else:
            self._record_teacher(*batch)
            losses = self._student_losses(*batch)
        own = self.distiller.compute_distill_losses()
        if not self._is_checked and torch.is_grad_enabled():
            self.distiller.check_first_batch(own)
            self._is_checked = True
        return {**losses, **add_prefix(own, 'distill')}

    def parse_losses(
        self, losses: Dict[str, Tensor]
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Add up what is trained on, and look whether it is finite.

        Raises:
            FloatingPointError: See :class:`mmfreekd.models.finite
                .FiniteCheck`.
        """
        loss, log_vars = super().parse_losses(losses)
        made_of = distilled(self.distiller)
        loss = self.finite_check(loss, losses, made_of)
        return loss, log_vars

    @torch.no_grad()
    def _record_teacher(
        self,
        batch_inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]],
    ) -> None:
        distiller = self.distiller
        distiller.set_deliveries_override(False)
        with distiller.teacher_recorders, distiller.deliveries:
            self._run_teacher(
                self.teacher_normalization(batch_inputs, data_samples),
                data_samples,
                mode=self._teacher_mode,
            )
        if not self._is_checked:
            distiller.check_deliveries()

    def _student_losses(
        self,
        batch_inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]],
    ) -> Dict[str, Tensor]:
        distiller = self.distiller
        distiller.set_deliveries_override(True)
        with distiller.student_recorders, distiller.deliveries:
            if self._run_student is not None:
                self._run_student(batch_inputs, data_samples, mode='tensor')
                return {}
            losses = self.student(batch_inputs, data_samples, mode='loss')
        if not self.calculate_student_loss:
            loss, _ = super().parse_losses(losses)
            return {'student.loss_idle': 0 * loss}
        return add_prefix(losses, 'student')

    def _idle_loss(self) -> Dict[str, Tensor]:
        """Zero, for distributed training waits for every gradient."""
        idle = [
            p.sum() for p in self.distiller.parameters() if p.requires_grad
        ]
        return {'distill.loss_stopped': 0 * sum(idle)} if idle else {}


def without_prefix(module: nn.Module, state_dict: dict, prefix: str, *args):
    """Take checkpoints of version 1, in which the student had a prefix."""
    own = f'{prefix}architecture.'
    for key in [key for key in state_dict if key.startswith(own)]:
        state_dict[prefix + key[len(own) :]] = state_dict.pop(key)
