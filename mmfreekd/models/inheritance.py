"""A student that starts from weights that are already there."""

from typing import Dict, List, Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..checkpoints import read_weights
from ..errors import CheckpointError, UsageError
from ..fitting import COUNTER, fitting, listing, nothing_of, unfit_numbers
from .sources import find_source


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
        fits = _copy(own, given)
        report = '\n'.join(
            [
                f'inherit: {fits} of {len(own)} tensors of {part!r} come from '
                'the teacher',
                *_left(own, given, 'the teacher'),
            ]
        )
        if not fits:
            raise UsageError(f'{report}\nTake {part!r} out of model.inherit')
        print_log(report, logger='current')


def start_from(student: nn.Module, path: str) -> None:
    """Copy the weights of a plain checkpoint into the student.

    All that fit are taken: a head for other classes stays as it is. What was
    taken and what was not is logged.

    Args:
        student (nn.Module): The student.
        path (str): A checkpoint of plain mmdet or mmseg, file or address.

    Raises:
        CheckpointError: If it cannot be read, nothing of it fits, or a
            weight is not finite.
    """
    own, given = student.state_dict(), read_weights(path, 'student_ckpt')
    own = {
        name: value
        for name, value in own.items()
        if name in given or not name.endswith(COUNTER)
    }
    if unfit := unfit_numbers(own, given):
        raise CheckpointError(
            '\n'.join(
                [f'student_ckpt: {path!r}', *listing('unfit numbers', unfit)]
            )
        )
    fits = _copy(own, given)
    if not fits:
        said = nothing_of(f'student ({type(student).__name__})', given)
        raise CheckpointError(f'student_ckpt: {path!r}: {said}')
    unknown = [name for name in given if name not in own]
    print_log(
        '\n'.join(
            [
                f'student_ckpt: {fits} of {len(own)} tensors of the student '
                f'come from {path!r}',
                *_left(own, given, 'the file'),
                *listing('the student has none of that name', unknown),
            ]
        ),
        logger='current',
    )


@torch.no_grad()
def _copy(own: Dict[str, Tensor], given: Dict[str, Tensor]) -> int:
    """Copy what has the same name and shape, and count it."""
    fits = fitting(own, given)
    for name in fits:
        own[name].copy_(given[name])
    return len(fits)


def _left(
    own: Dict[str, Tensor], given: Dict[str, Tensor], giver: str
) -> List[str]:
    """What of one's own has not been given, as lines of a report."""
    reshaped = [
        f'{name} is {tuple(value.shape)}, of {giver} '
        f'{tuple(given[name].shape)}'
        for name, value in own.items()
        if name in given and value.shape != given[name].shape
    ]
    return [
        *listing(
            f'{giver} has none of that name',
            [name for name in own if name not in given],
        ),
        *listing('of another shape', reshaped),
    ]
