from typing import Dict, List, Optional, Sequence, Tuple

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from ...registry import MODELS
from ..feature_errors import note_errors
from ..sources import StopAfter
from .frequency_prompt_tuning import FrequencyPromptTuning


@MODELS.register_module()
class FeatureFrequencyPromptTuning(FrequencyPromptTuning):
    r"""Stage 1 without labels, for an encoder that has no task.

    .. math:: L = \frac{|F' - F|^2}{|F|^2} + \lambda L_{dis}

    The prompts are to let the feature :math:`F` through as it is,
    :math:`F'` being what the masks leave of it, and to differ from each
    other. This is this project's choice: the paper tunes with the teacher's
    task loss, and says nothing of encoders.

    The teacher runs no further than the prompted layer. Validation measures
    how far :math:`F'` is from :math:`F`, for
    :class:`mmfreekd.evaluation.EmbeddingError`.

    Args:
        architecture, channels, **kwargs: As
            :class:`mmfreekd.models.FrequencyPromptTuning` takes them.
    """

    def __init__(self, architecture, channels, **kwargs) -> None:
        super().__init__(architecture, channels, **kwargs)
        self._prompted: List[Tensor] = []
        # its hook comes after the one that prompts
        self._run_teacher = StopAfter(self.teacher, {self.source: 1})

    def _predict(
        self,
        inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> List[BaseDataElement]:
        """How far what the masks let through is from the feature.

        Args:
            inputs (Tensor): Preprocessed images ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): What is noted is
                added to them.

        Returns:
            list[BaseDataElement]: See
            :func:`mmfreekd.models.feature_errors.note_errors`.
        """
        with torch.no_grad():
            self._run_teacher(inputs, data_samples, mode='tensor')
        samples = note_errors(data_samples, self._prompted, self._features)
        self._forget()
        return samples

    def _teacher_losses(
        self, inputs: Tensor, data_samples: Optional[List[BaseDataElement]]
    ) -> Dict[str, Tensor]:
        self._run_teacher(inputs, data_samples, mode='tensor')
        errors = [
            (p - x).square().sum() / x.square().sum().clamp_min(1e-12)
            for p, x in zip(self._prompted, self._features)
        ]
        return dict(loss_reconstruction=torch.stack(errors).mean())

    def _prompt(self, maps: Sequence[Tensor]) -> Tuple[Tensor, ...]:
        prompted = super()._prompt(maps)
        self._prompted = [prompted[i] for i in self._chosen(maps)]
        return prompted

    def _forget(self) -> None:
        super()._forget()
        self._prompted = []
