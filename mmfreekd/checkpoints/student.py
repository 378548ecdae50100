"""The student of a distillation as a plain checkpoint of mmdet or mmseg."""

from pathlib import Path
from typing import Dict, Optional, Tuple

from torch import Tensor

from ..errors import CheckpointError
from ..version import __version__
from .atomic import save_atomically
from .matching import invalid_values, listing
from .plain import plain
from .reading import read_checkpoint, weights_of

# of MMRazor 0.x, of MMRazor 1.x and this project, of plain models
PREFIXES = ('architecture.model.', 'architecture.', '')
NOT_STUDENT = ('distiller.', 'teacher.', 'prompts.')
META = ('dataset_meta', 'CLASSES', 'PALETTE', 'epoch', 'iter')


def export_student(
    source: str, target: str, meta: Optional[dict] = None
) -> None:
    """Write the student of a distillation as a plain checkpoint.

    Args:
        source (str): A checkpoint of a distillation, or a plain one.
        target (str): The checkpoint for plain mmdet or mmseg: tensors and
            plain values, readable anywhere.
        meta (dict, optional): More entries of its ``meta``. Defaults to None.

    Raises:
        CheckpointError: If the source holds no student, or one with weights
            that are not finite; ``target`` is unchanged then.
    """
    weights, own = read_student(source, 'the distillation checkpoint')
    invalid = invalid_values(weights, weights)
    if invalid:
        raise CheckpointError(
            '\n'.join(
                [
                    f'the student in {source!r} is not exported, because it '
                    'cannot predict. Resume from a checkpoint before it, with '
                    "model.on_nonfinite='skip' or a lower learning rate",
                    *listing('with invalid values', invalid),
                ]
            )
        )
    meta = dict(
        {key: plain(own[key]) for key in META if key in own},
        **(meta or {}),
        mmfreekd_version=__version__,
    )
    save_atomically(dict(meta=meta, state_dict=weights), target)


def read_student(path: str, what: str) -> Tuple[Dict[str, Tensor], dict]:
    """Read the student of a distillation, or a plain model.

    Args:
        path (str): The checkpoint.
        what (str): What the file is, for messages.

    Returns:
        tuple[dict[str, Tensor], dict]: The weights by their names in plain
        mmdet or mmseg, and the checkpoint's ``meta``.

    Raises:
        CheckpointError: If it cannot be read or holds no weights of a model.
    """
    checkpoint = read_checkpoint(path, what)
    weights = weights_of(checkpoint)
    prefix = next(
        (p for p in PREFIXES if any(k.startswith(p) for k in weights)), ''
    )
    student = {
        key.removeprefix(prefix): value
        for key, value in weights.items()
        if key.startswith(prefix) and not key.startswith(NOT_STUDENT)
    }
    if not student:
        raise CheckpointError(f'{what}: {path!r} holds no student')
    meta = checkpoint.get('meta')
    return student, meta if isinstance(meta, dict) else {}


def student_path(checkpoint: str) -> Path:
    """The file of the student next to a checkpoint of a distillation."""
    path = Path(checkpoint)
    return path.with_name(f'student_{path.name}')
