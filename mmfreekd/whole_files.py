"""Files that are there whole or not at all."""

import contextlib
import os
from pathlib import Path
from typing import IO, Iterator


@contextlib.contextmanager
def open_whole(path: str, mode: str = 'w') -> Iterator[IO]:
    """Open a file for writing that takes its name when it is complete.

    It is written beside its place, brought to the disk and renamed. Whatever
    ends the process in between, a file that was there before stays as it was.

    Args:
        path (str): The file.
        mode (str): ``'w'`` or ``'wb'``. Defaults to 'w'.

    Yields:
        IO: The file.

    Example:
        >>> with open_whole('last_checkpoint') as file:
        ...     file.write('iter_10.pth')
        11
    """
    temporary = f'{path}.tmp'
    try:
        with open(temporary, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
