"""Atomic writes: a file is complete, or it is what it was before."""

import contextlib
import os
from pathlib import Path
from typing import IO, Dict, Iterator

import torch


@contextlib.contextmanager
def open_atomically(path: str) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name when it is complete.

    It is written next to ``path``, flushed to the disk and renamed. If the
    process ends in between, a file that was there before is unchanged.

    Args:
        path (str): The file.

    Yields:
        IO[bytes]: The file, opened in binary mode.

    Example:
        >>> with open_atomically('last_checkpoint') as file:
        ...     file.write(b'iter_10.pth')
        11
    """
    temporary = f'{path}.tmp'
    try:
        with open(temporary, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def save_atomically(content: Dict, path: str) -> None:
    """``torch.save`` as an atomic write.

    Args:
        content (dict): Tensors and plain values.
        path (str): The file.
    """
    with open_atomically(path) as file:
        torch.save(content, file)
