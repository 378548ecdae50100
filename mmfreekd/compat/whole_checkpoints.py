"""What mmengine writes is there whole, and what it replaces goes last.

mmengine writes a checkpoint into the file itself, and removes the one that it
replaces, the latest or the best, before it writes the new one: a process that
is killed meanwhile leaves half a checkpoint, or none.
"""

import functools
import os
from typing import Callable

from ..whole_files import open_whole

SAVING = ('_save_checkpoint_with_step', '_save_best_checkpoint')


def write_whole(module) -> None:
    """Mend ``LocalBackend``, through which checkpoints are written."""

    def put(self, obj: bytes, filepath) -> None:
        """Write bytes to a file, whole or not at all."""
        os.makedirs(os.path.dirname(filepath) or '.', exist_ok=True)
        with open_whole(filepath, 'wb') as file:
            file.write(obj)

    module.LocalBackend.put = put


def remove_last(module) -> None:
    """Mend ``CheckpointHook``, which removes before it writes."""
    module.open = open_whole  # for last_checkpoint
    for name in SAVING:
        save = getattr(module.CheckpointHook, name)
        setattr(module.CheckpointHook, name, _removing_last(save))


def _removing_last(save: Callable) -> Callable:

    @functools.wraps(save)
    def wrapped(self, *args, **kwargs) -> None:
        backend = self.file_backend
        self.file_backend = later = _RemoveLater(backend)
        try:
            save(self, *args, **kwargs)
        finally:
            self.file_backend = backend
        current = {
            self.last_ckpt,
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
        }
        for remove, path in later.removals:
            if path not in current:
                remove(path)

    return wrapped


class _RemoveLater:
    """A file backend that only notes what it is to remove."""

    def __init__(self, backend) -> None:
        self.backend = backend
        self.removals = []

    def remove(self, path: str) -> None:
        self.removals.append((self.backend.remove, path))

    def rmtree(self, path: str) -> None:
        self.removals.append((self.backend.rmtree, path))

    def __getattr__(self, name: str):
        return getattr(self.backend, name)
