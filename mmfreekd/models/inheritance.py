"""A student that starts from the weights of another model or file."""

from typing import Dict, List, Sequence, Tuple

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..checkpoints.matching import (
    COUNTER,
    invalid_values,
    listing,
    matching,
    no_match,
    reshaped,
)
from ..checkpoints.reading import read_weights
from ..errors import CheckpointError, UsageError
from .sources import find_source


def inherit(
    student: nn.Module, teacher: nn.Module, parts: Sequence[str]
) -> None:
    """Copy the teacher's weights into the student, where they match.

    Parameters and buffers match if their names and shapes are equal. What was
    copied and what was not is logged.

    Args:
        student (nn.Module): The model that inherits.
        teacher (nn.Module): The model it inherits from.
        parts (Sequence[str]): Names of modules in both, such as ``'neck'``
            or ``'roi_head.bbox_head'``.

    Raises:
        UsageError: If a part does not exist, or nothing of it matches.
    """
    for part in parts:
        # the tensors of a state dict are those of the model
        own, given = (
            find_source(model, part, who).state_dict(prefix=f'{part}.')
            for model, who in ((student, 'student'), (teacher, 'teacher'))
        )
        count, rest = _copy(own, given, 'the teacher')
        report = '\n'.join(
            [
                f'inherit: {count} of {len(own)} tensors of {part!r} come '
                'from the teacher',
                *rest,
            ]
        )
        if not count:
            raise UsageError(f'{report}\nTake {part!r} out of model.inherit')
        print_log(report, logger='current')


def start_from(student: nn.Module, path: str) -> None:
    """Copy the weights of a plain checkpoint into the student.

    All that match are copied: a head for other classes stays as it is. What
    was copied and what was not is logged.

    Args:
        student (nn.Module): The student.
        path (str): A checkpoint of plain mmdet or mmseg, file or address.

    Raises:
        CheckpointError: If it cannot be read, nothing of it matches, or a
            weight is not finite.
    """
    own, given = student.state_dict(), read_weights(path, 'student_ckpt')
    own = {
        name: value
        for name, value in own.items()
        if name in given or not name.endswith(COUNTER)
    }
    source = f'student_ckpt: {path!r}'
    if invalid := invalid_values(own, given):
        raise CheckpointError(
            '\n'.join([source, *listing('with invalid values', invalid)])
        )
    count, rest = _copy(own, given, 'the file')
    if not count:
        name = f'the student ({type(student).__name__})'
        raise CheckpointError(f'{source}: {no_match(name, given)}')
    unknown = [name for name in given if name not in own]
    print_log(
        '\n'.join(
            [
                f'student_ckpt: {count} of {len(own)} tensors of the student '
                f'come from {path!r}',
                *rest,
                *listing('not in the student', unknown),
            ]
        ),
        logger='current',
    )


@torch.no_grad()
def _copy(
    own: Dict[str, Tensor], given: Dict[str, Tensor], giver: str
) -> Tuple[int, List[str]]:
    """Copy what matches; how many, and a report of the rest."""
    names = matching(own, given)
    for name in names:
        own[name].copy_(given[name])
    missing = [name for name in own if name not in given]
    return len(names), [
        *listing(f'not in {giver}', missing),
        *listing('with another shape', reshaped(given, own, giver)),
    ]
