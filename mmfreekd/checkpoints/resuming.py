"""Which checkpoint a training resumes from."""

import logging
import re
from pathlib import Path
from typing import List, Optional

from mmengine.logging import print_log

from ..errors import CheckpointError
from .reading import read_checkpoint

# iter_10.pth or epoch_2.pth, or another filename_tmpl that ends in a number;
# neither the best checkpoint nor an exported student can be resumed
NAME = re.compile(r'(?!best_|student_)(.*?)(\d+)\.pth')


def check_resumable(path: str) -> None:
    """Raise an error unless a training can resume from a file.

    Args:
        path (str): The checkpoint.

    Raises:
        CheckpointError: If it is damaged, or holds weights alone.
    """
    content = read_checkpoint(path, '--resume')
    missing = {'state_dict', 'message_hub', 'optimizer'} - content.keys()
    if missing:
        raise CheckpointError(
            f'--resume: expected a checkpoint written by training, but '
            f'{path!r} has no {" and no ".join(sorted(missing))}. Give '
            'iter_*.pth or epoch_*.pth of a work_dir; to start from weights '
            'alone, set load_from'
        )


def latest_checkpoint(work_dir: str) -> Optional[str]:
    """The latest checkpoint of a work_dir that is not damaged.

    Args:
        work_dir (str): The folder of the run.

    Returns:
        str | None: The file that ``last_checkpoint`` names; if that is
        damaged or missing, the one before it, and so on, with a warning.
        None if nothing has been written yet.

    Raises:
        CheckpointError: If there are checkpoints, but all are damaged.
    """
    damaged = []
    for path in _candidates(Path(work_dir)):
        try:
            check_resumable(str(path))
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        if damaged:
            print_log(
                f'Resuming from {path} instead: ' + '; '.join(damaged),
                level=logging.WARNING,
            )
        return str(path)
    if damaged:
        raise CheckpointError(
            f'every checkpoint in {work_dir} is damaged: {"; ".join(damaged)}.'
            ' Remove them, or train without --resume, to start again'
        )
    return None


def _candidates(work_dir: Path) -> List[Path]:
    """The one that ``last_checkpoint`` names, then those before it."""
    note = work_dir / 'last_checkpoint'
    named = Path(note.read_text().strip() if note.is_file() else '')
    folder = work_dir
    if named.name and named.parent.is_dir():
        folder = named.parent  # out_dir of the checkpoint hook
    found = sorted(
        (
            (int(match[2]), match[1], path)
            for path in folder.glob('*.pth')
            if (match := NAME.fullmatch(path.name))
        ),
        reverse=True,
    )
    match = NAME.fullmatch(named.name)
    if match is None:
        return [path for *_, path in found]
    earlier = [
        path
        for number, prefix, path in found
        if prefix == match[1] and number < int(match[2])
    ]
    return [folder / named.name, *earlier]
