"""Which checkpoint a training goes on from."""

import logging
import re
from pathlib import Path
from typing import List, Optional

from mmengine.logging import print_log

from .checkpoints import read_checkpoint
from .errors import CheckpointError

# iter_10.pth or epoch_2.pth, or another filename_tmpl that ends in a number;
# neither the best checkpoint nor an exported student can be resumed
NAME = re.compile(r'(?!best_|student_)(.*?)(\d+)\.pth')


def check_resumable(path: str) -> None:
    """Make sure that a training can go on from a file.

    Args:
        path (str): The checkpoint.

    Raises:
        CheckpointError: If it is broken, or holds weights alone.
    """
    content = read_checkpoint(path, '--resume')
    lacking = {'state_dict', 'message_hub', 'optimizer'} - content.keys()
    if lacking:
        raise CheckpointError(
            f'--resume: a checkpoint that training wrote was expected, but '
            f'{path!r} holds no {" and no ".join(sorted(lacking))}. Give '
            'iter_*.pth or epoch_*.pth of a work_dir; to start from weights '
            'alone, set load_from'
        )


def latest_checkpoint(work_dir: str) -> Optional[str]:
    """The latest checkpoint of a work_dir that is whole.

    Args:
        work_dir (str): The folder of the run.

    Returns:
        str | None: The file that ``last_checkpoint`` names; if that is
        broken or gone, the one before it, and so on, with a warning. None
        where nothing was written yet.

    Raises:
        CheckpointError: If there were checkpoints, but none is whole.
    """
    broken = []
    for path in _candidates(Path(work_dir)):
        try:
            check_resumable(str(path))
        except CheckpointError as error:
            broken.append(str(error))
            continue
        if broken:
            print_log(
                f'Resuming from {path} instead, for: ' + '; '.join(broken),
                level=logging.WARNING,
            )
        return str(path)
    if broken:
        raise CheckpointError(
            f'no checkpoint in {work_dir} is whole: {"; ".join(broken)}. '
            'Remove them, or train without --resume, to start afresh'
        )
    return None


def _candidates(work_dir: Path) -> List[Path]:
    """The one that ``last_checkpoint`` names, then those before it."""
    note = work_dir / 'last_checkpoint'
    named = Path(note.read_text().strip() if note.is_file() else '')
    folder = work_dir
    if named.name and named.parent.is_dir():
        folder = named.parent  # out_dir of the checkpoint hook
    found = [
        (int(match[2]), match[1], path)
        for path in folder.glob('*.pth')
        if (match := NAME.fullmatch(path.name))
    ]
    found.sort(reverse=True)
    match = NAME.fullmatch(named.name)
    if match is None:
        return [path for *_, path in found]
    return [
        folder / named.name,
        *(
            path
            for number, prefix, path in found
            if prefix == match[1] and number < int(match[2])
        ),
    ]
