"""The student's weights, from whatever checkpoint holds them."""

from pathlib import Path
from typing import Dict, Tuple

from torch import Tensor

from mmfreekd.checkpoints import read_checkpoint
from mmfreekd.engine.hooks.plain_checkpoint_hook import plain
from mmfreekd.errors import CheckpointError
from mmfreekd.version import __version__

# of MMRazor 0.x, of MMRazor 1.x and this project, of plain models
PREFIXES = ('architecture.model.', 'architecture.', '')
META = ('dataset_meta', 'CLASSES', 'PALETTE', 'epoch', 'iter')


def read_student(path: str) -> Tuple[Dict[str, Tensor], dict]:
    """Read the student of a distillation, or a plain model.

    Args:
        path (str): The checkpoint.

    Returns:
        tuple[dict[str, Tensor], dict]: The weights by their names in plain
        mmdet or mmseg, and the checkpoint's ``meta``.

    Raises:
        CheckpointError: If it cannot be read or holds no weights.
    """
    checkpoint = read_checkpoint(path, 'the checkpoint')
    weights = checkpoint.get('state_dict', checkpoint)
    weights = {
        key.removeprefix('module.'): value
        for key, value in weights.items()
        if isinstance(value, Tensor)
    }
    if not weights:
        raise CheckpointError(f'{path!r} holds no weights')
    prefix = next(p for p in PREFIXES if any(k.startswith(p) for k in weights))
    student = {
        key.removeprefix(prefix): value
        for key, value in weights.items()
        if key.startswith(prefix)
    }
    return student, checkpoint.get('meta', {})


def published_meta(meta: dict, source: str, config: str) -> dict:
    """What a published checkpoint tells about itself, in plain values.

    Args:
        meta (dict): ``meta`` of the source.
        source (str): The file it came from.
        config (str): Text of the student's config.

    Returns:
        dict: With ``cfg`` as mmdet and mmseg look for it.
    """
    kept = {key: plain(meta[key]) for key in META if key in meta}
    return dict(
        **kept,
        cfg=config,
        source=Path(source).name,
        mmfreekd_version=__version__,
    )
