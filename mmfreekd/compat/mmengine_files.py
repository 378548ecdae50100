"""How mmengine reads and writes checkpoints: safely, and atomically.

mmengine 0.10.7 does not read its own training checkpoints since torch 2.6,
and compares no checksum of a download. It writes into the file itself and,
with ``max_keep_ckpts`` or ``save_best``, removes the old checkpoint before it
writes the new one: a process that is killed meanwhile leaves no checkpoint.
"""

import functools
import os
from copy import copy
from typing import Callable

SAVING = ('_save_checkpoint_with_step', '_save_best_checkpoint')


def read_safely(module) -> None:
    """Patch ``mmengine.runner.checkpoint``."""
    from ..checkpoints.downloads import load_url
    from ..checkpoints.reading import load_file

    @module.CheckpointLoader.register_scheme(['', 'file://'], force=True)
    def load_from_local(filename, map_location):
        return load_file(filename, map_location)

    module.load_url = load_url


def write_atomically(module) -> None:
    """Patch ``LocalBackend``, which checkpoints are written with."""

    def put(self, obj: bytes, filepath) -> None:
        """Write bytes to a file, atomically."""
        from ..checkpoints.atomic import open_atomically

        os.makedirs(os.path.dirname(filepath) or '.', exist_ok=True)
        with open_atomically(filepath) as file:
            file.write(obj)

    module.LocalBackend.put = put


def remove_last(module) -> None:
    """Patch ``CheckpointHook``, which removes before it writes."""
    for name in SAVING:
        save = getattr(module.CheckpointHook, name)
        setattr(module.CheckpointHook, name, _removing_last(save))


def _removing_last(save: Callable) -> Callable:

    @functools.wraps(save)
    def wrapped(self, *args, **kwargs) -> None:
        backend, old = self.file_backend, []
        self.file_backend = copy(backend)
        self.file_backend.remove = old.append
        try:
            save(self, *args, **kwargs)
        finally:
            self.file_backend = backend
        current = {
            self.last_ckpt,
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
        }
        for path in old:
            if path not in current:
                backend.remove(path)

    return wrapped
