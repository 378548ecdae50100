from pathlib import Path

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from ...registry import HOOKS

HISTORY = 'mmfreekd_log_history'


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Write checkpoints that ``torch.load`` reads in its default, safe mode.

    mmengine puts its log history into them as objects of its own, and
    numpy's numbers beside it. They are written as tensors and plain numbers,
    and given back as mmengine expects them when a checkpoint is loaded.
    What a run that was killed has half written is removed.
    """

    priority = 'VERY_LOW'

    @master_only
    def before_train(self, runner) -> None:
        """Remove what :func:`mmfreekd.whole_files.open_whole` has left."""
        for name in ('*.pth.tmp', 'last_checkpoint.tmp'):
            for path in Path(runner.work_dir).glob(name):
                path.unlink()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Turn what is about to be written into plain values."""
        hub = checkpoint['message_hub']
        history = {
            name: dict(
                log=torch.from_numpy(np.asarray(buffer.data[0], np.float64)),
                count=torch.from_numpy(np.asarray(buffer.data[1], np.int64)),
                max_length=buffer.max_length,
            )
            for name, buffer in hub['log_scalars'].items()
        }
        checkpoint[HISTORY] = history
        checkpoint['message_hub'] = dict(hub, log_scalars={})
        for key, value in checkpoint.items():
            if key != 'state_dict':
                checkpoint[key] = plain(value)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Turn the log history back into mmengine's own."""
        for name, saved in checkpoint.pop(HISTORY, {}).items():
            checkpoint['message_hub']['log_scalars'][name] = HistoryBuffer(
                saved['log'].tolist(),
                saved['count'].tolist(),
                saved['max_length'],
            )


def plain(value):
    """Numpy's arrays and numbers as tensors and numbers, in any nesting."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(v) for v in value)
    return value
