"""The teacher's own normalisation of a batch made for the student."""

from typing import Any, List, Optional, Sequence, Tuple

import torch
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement
from torch import Tensor, nn


class TeacherNormalization(nn.Module):
    """Undo the student's normalisation and apply the teacher's.

    Args:
        student (nn.Module): The data preprocessor of the batches.
        teacher (nn.Module): The data preprocessor of the teacher.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        s_mean, s_std, s_swap = statistics(student)
        t_mean, t_std, t_swap = statistics(teacher)
        self.swap = s_swap != t_swap
        # the two names of mmengine / mmdet and of mmseg
        self.pad_value = getattr(
            teacher, 'pad_value', getattr(teacher, 'pad_val', 0)
        )
        if self.swap:
            s_mean, s_std = s_mean.flip(0), s_std.flip(0)
        for name, value in (
            ('scale', s_std / t_std),
            ('shift', (s_mean - t_mean) / t_std),
        ):
            self.register_buffer(name, value, persistent=False)
        self.identity = not self.swap and bool(
            (self.scale == 1).all() and (self.shift == 0).all()
        )

    def forward(
        self, inputs: Tensor, data_samples: Optional[List[BaseDataElement]]
    ) -> Tensor:
        """Normalise a batch as the teacher does.

        Args:
            inputs (Tensor): The student's batch ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): Their
                ``img_shape`` tells the image from the padding.

        Returns:
            Tensor: The teacher's batch, of the same shape.
        """
        if self.identity:
            return inputs
        outputs = inputs.flip(1) if self.swap else inputs
        outputs = outputs * self.scale + self.shift
        for output, meta in zip(outputs, metas_of(data_samples)):
            # (H, W), or (H, W, C) from some pipelines
            height, width = meta.get('img_shape', output.shape[-2:])[:2]
            output[:, height:] = self.pad_value
            output[..., width:] = self.pad_value
        return outputs


def metas_of(data_samples: Any) -> Sequence[dict]:
    """What a batch's samples tell of their images.

    MMYOLO collates a batch into one dict, with ``img_metas`` where it pads.
    """
    if isinstance(data_samples, dict):
        return data_samples.get('img_metas') or ()
    return [sample.metainfo for sample in data_samples or ()]


def statistics(preprocessor: nn.Module) -> Tuple[Tensor, Tensor, bool]:
    """Mean and standard deviation ``(C, 1, 1)`` and whether BGR is swapped.

    0, 1 and False where a data preprocessor does not normalise.
    """
    shape = (1, 1, 1)  # for images of any number of channels
    mean = getattr(preprocessor, 'mean', None)
    std = getattr(preprocessor, 'std', None)
    swap = getattr(
        preprocessor,
        '_channel_conversion',
        getattr(preprocessor, 'channel_conversion', False),
    )
    return (
        torch.zeros(shape) if mean is None else mean.detach().clone(),
        torch.ones(shape) if std is None else std.detach().clone(),
        bool(swap),
    )


def teacher_normalization(
    student: nn.Module, teacher: nn.Module
) -> TeacherNormalization:
    """Build it, and report where teacher and student differ."""
    normalization = TeacherNormalization(student, teacher)
    if not normalization.identity:
        (s_mean, s_std, s_swap), (t_mean, t_std, t_swap) = map(
            statistics, (student, teacher)
        )
        print_log(
            'Teacher and student normalise images differently; the teacher '
            'gets its own normalisation. '
            f'Student: mean {s_mean.flatten().tolist()}, std '
            f'{s_std.flatten().tolist()}, channels swapped: {s_swap}. '
            f'Teacher: mean {t_mean.flatten().tolist()}, std '
            f'{t_std.flatten().tolist()}, channels swapped: {t_swap}.',
            logger='current',
        )
    return normalization
