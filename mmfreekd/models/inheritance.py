"""A student that starts from parts of its teacher."""

from typing import Sequence

import torch
from mmengine.logging import print_log
from torch import nn

from ..checkpoints import listing
from ..errors import UsageError
from .sources import find_source


@torch.no_grad()
def inherit(
    student: nn.Module, teacher: nn.Module, parts: Sequence[str]
) -> None:
    """Copy the teacher's weights into the student, where both fit.

    Parameters and buffers fit if their names and shapes are equal. What was
    inherited and what was not is logged.

    Args:
        student (nn.Module): The model that inherits.
        teacher (nn.Module): The model it inherits from; it stays as it is.
        parts (Sequence[str]): Names of modules in both, such as ``'neck'``
            or ``'roi_head.bbox_head'``.

    Raises:
        UsageError: If a part does not exist, or nothing of it fits.
    """
    for part in parts:
        # the tensors of a state dict are those of the model
        own, given = (
            find_source(model, part, who).state_dict(prefix=f'{part}.')
            for model, who in ((student, 'student'), (teacher, 'teacher'))
        )
        unknown = [name for name in own if name not in given]
        reshaped = [
            f'{name} is {tuple(own[name].shape)}, of the teacher '
            f'{tuple(given[name].shape)}'
            for name in own
            if name in given and own[name].shape != given[name].shape
        ]
        fits = len(own) - len(unknown) - len(reshaped)
        report = '\n'.join(
            [
                f'inherit: {fits} of {len(own)} tensors of {part!r} come from '
                'the teacher',
                *listing('the teacher has none of that name', unknown),
                *listing('of another shape', reshaped),
            ]
        )
        if not fits:
            raise UsageError(f'{report}\nTake {part!r} out of model.inherit')
        for name, value in own.items():
            if name in given and value.shape == given[name].shape:
                value.copy_(given[name])
        print_log(report, logger='current')
