import logging
from typing import Dict, List, Optional, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.models.utils import add_prefix
from torch import Tensor, nn

from ...checkpoints import leave_out, load_strictly
from ...errors import UsageError
from ...registry import MODELS
from ..losses import FreeKDLoss
from ..normalization import teacher_normalization
from ..sources import StopAfter
from ..zoo import build_model


@MODELS.register_module()
class FreeKDDistill(SingleTeacherDistill):
    r"""Stage 2: the student imitates the teacher (paper, section 3.3).

    .. math:: L = L_{task} + \mu L_{FreeKD}

    The teacher is frozen, in evaluation mode, and runs only as far as the
    recorded layers. It is in no checkpoint: the config rebuilds it.

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
            trained on as well. Defaults to True.
        data_preprocessor (dict | nn.Module, optional): None: the student's.
            Defaults to None.
        init_cfg (dict, optional): Defaults to None.

    Raises:
        CheckpointError: If the teacher's checkpoint is missing or does not
            match.
        UsageError: If a recorded layer does not exist.
    """

    def __init__(
        self,
        architecture: Union[dict, BaseModel],
        teacher: Union[dict, BaseModel],
        distiller: dict,
        teacher_ckpt: Optional[str] = None,
        calculate_student_loss: bool = True,
        data_preprocessor: Union[dict, nn.Module, None] = None,
        init_cfg: Optional[dict] = None,
    ) -> None:
        self.teacher_is_built = isinstance(teacher, BaseModel)
        student = build_model(architecture, 'architecture')
        # with one seed, a student starts as it does when trained alone
        with torch.random.fork_rng(devices=[]):
            super().__init__(
                architecture=student,
                teacher=build_model(teacher, 'teacher'),
                distiller=distiller,
                calculate_student_loss=calculate_student_loss,
                data_preprocessor=data_preprocessor,
                init_cfg=init_cfg,
            )
        self.teacher_ckpt = teacher_ckpt
        if teacher_ckpt is not None:
            load_strictly(self.teacher, teacher_ckpt, 'teacher_ckpt')
        elif self.random_teacher:
            print_log(
                'The teacher has random weights: teacher_ckpt is not set',
                logger='current',
                level=logging.WARNING,
            )
        # mmengine does not initialise it again then
        self.teacher._is_init = bool(teacher_ckpt or self.teacher_is_built)
        leave_out(self, 'teacher')
        self.teacher_normalization = teacher_normalization(
            self.data_preprocessor, self.teacher.data_preprocessor
        )
        self._run_teacher = StopAfter(
            self.teacher, self.distiller.teacher_sources()
        )

    @property
    def random_teacher(self) -> bool:
        """Whether nothing has given the teacher weights."""
        pretrained = (self.teacher.init_cfg or {}).get('type') == 'Pretrained'
        return not (self.teacher_ckpt or self.teacher_is_built or pretrained)

    def init_weights(self) -> None:
        """Initialise the student; mmengine calls it when training starts.

        Raises:
            UsageError: If teacher or prompts have not been trained.
        """
        if self.random_teacher:
            raise UsageError(
                'the teacher would have random weights. Set '
                'model.teacher_ckpt to its checkpoint'
            )
        for name, loss in self.distiller.distill_losses.items():
            if isinstance(loss, FreeKDLoss) and loss.untuned:
                raise UsageError(
                    f'{name} has no frequency prompts. Tune them in stage 1: '
                    'python tools/train.py PROMPT_CONFIG, with the config of '
                    'this teacher under configs/freekd/prompt, and set '
                    'prompt_ckpt to the prompts.pth that it writes; or set '
                    'num_prompts=0 for plain frequency distillation'
                )
        super().init_weights()

    def train(self, mode: bool = True) -> 'FreeKDDistill':
        """Switch the student's mode; the teacher stays in evaluation."""
        super().train(mode)
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
        distiller = self.distiller
        if not self.distillation_stopped:
            distiller.set_deliveries_override(False)
            with (
                torch.no_grad(),
                distiller.teacher_recorders,
                distiller.deliveries,
            ):
                self._run_teacher(
                    self.teacher_normalization(batch_inputs, data_samples),
                    data_samples,
                    mode='tensor',
                )
        distiller.set_deliveries_override(True)
        with distiller.student_recorders, distiller.deliveries:
            student_losses = self.student(
                batch_inputs, data_samples, mode='loss'
            )
        losses = {}
        if self.calculate_student_loss:
            losses.update(add_prefix(student_losses, 'student'))
        losses.update(add_prefix(self._distill_losses(), 'distill'))
        return losses

    def _distill_losses(self) -> Dict[str, Tensor]:
        if not self.distillation_stopped:
            return self.distiller.compute_distill_losses()
        # distributed training waits for a gradient of every parameter
        unused = [
            p.sum() for p in self.distiller.parameters() if p.requires_grad
        ]
        return dict(loss_stopped=0 * sum(unused)) if unused else {}
