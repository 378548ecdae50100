"""A hook that writes how much memory the process takes."""

import ctypes
import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

PAGE = os.sysconf('SC_PAGE_SIZE')
LIBC = ctypes.CDLL(None)


@HOOKS.register_module()
class MemoryDumpHook(Hook):
    """Every 20 iterations, without what glibc keeps of memory freed."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if batch_idx % 20:
            return
        LIBC.malloc_trim(0)
        pages = int(Path('/proc/self/statm').read_text().split()[1])
        with (Path(runner.work_dir) / 'memory.txt').open('a') as file:
            file.write(f'{batch_idx} {pages * PAGE}\n')
