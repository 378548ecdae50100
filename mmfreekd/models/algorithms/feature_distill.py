from typing import Dict, List, Optional

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from ...errors import UsageError
from ...registry import MODELS
from ..feature_errors import note_errors
from .freekd_distill import FreeKDDistill


@MODELS.register_module()
class FeatureDistill(FreeKDDistill):
    """Stage 2 without labels: the distillation's losses are all there is.

    Both sides run only as far as they are recorded, so plain images do, and
    the student may be an :class:`mmfreekd.models.ImageEncoder` without a
    head. Validation measures how far its feature is from the teacher's, for
    :class:`mmfreekd.evaluation.EmbeddingError`.

    Args:
        architecture, teacher, distiller, **kwargs: As
            :class:`mmfreekd.models.FreeKDDistill` takes them, without
            ``calculate_student_loss`` and ``student_rois``. The first loss
            of the distiller that compares ``s_feature`` with ``t_feature``
            says what is validated.

    Raises:
        UsageError: If no loss compares two features, or ``student_rois`` is
            set, for which heads would have to run.
    """

    def __init__(self, architecture, teacher, distiller, **kwargs) -> None:
        if kwargs.get('student_rois'):
            raise UsageError(
                'FeatureDistill runs no heads, so there are no regions of '
                'interest to share: remove student_rois, or take '
                'mmfreekd.FreeKDDistill'
            )
        super().__init__(
            architecture,
            teacher,
            distiller,
            calculate_student_loss=False,
            **kwargs,
        )
        compared = [
            name
            for name, mapping in self.distiller.loss_forward_mappings.items()
            if {'s_feature', 't_feature'} <= mapping.keys()
        ]
        if not compared:
            raise UsageError(
                'FeatureDistill needs a loss that compares s_feature with '
                't_feature: see distiller.loss_forward_mappings'
            )
        self._compared = compared[0]

    def loss(
        self,
        batch_inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> Dict[str, Tensor]:
        """The losses of a batch.

        Args:
            batch_inputs (Tensor): Preprocessed images ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): Not needed.

        Returns:
            dict[str, Tensor]: ``distill.*``.

        Raises:
            UsageError: If the distillation was stopped.
        """
        if self.distillation_stopped:
            raise UsageError(
                'the distillation was stopped, but FeatureDistill trains on '
                'nothing else: remove StopDistillHook from '
                'custom_hooks, and end the training by train_cfg.max_epochs'
            )
        return super().loss(batch_inputs, data_samples)

    def _predict(
        self,
        batch_inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> List[BaseDataElement]:
        """How far the student's features are from the teacher's.

        Args:
            batch_inputs (Tensor): Preprocessed images ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): What is noted is
                added to them.

        Returns:
            list[BaseDataElement]: See
            :func:`mmfreekd.models.feature_errors.note_errors`.
        """
        self._record_teacher(batch_inputs, data_samples)
        with torch.no_grad():
            self._student_losses(batch_inputs, data_samples)
            inputs = self.distiller.loss_inputs(self._compared)
        return note_errors(
            data_samples, inputs['s_feature'], inputs['t_feature']
        )
