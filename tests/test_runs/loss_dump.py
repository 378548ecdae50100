"""Hooks for runs of several processes: one writes their losses, one fails."""

import json
from pathlib import Path

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmfreekd.errors import UsageError


@HOOKS.register_module()
class LossDumpHook(Hook):
    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        path = Path(runner.work_dir) / f'losses_{get_rank()}.jsonl'
        with path.open('a') as file:
            file.write(
                json.dumps(
                    {key: value.item() for key, value in outputs.items()}
                )
                + '\n'
            )


@HOOKS.register_module()
class FailingHook(Hook):
    """One rank fails while the other waits for its gradients."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if get_rank() == 1 and batch_idx == 1:
            (Path(runner.work_dir) / 'failed').touch()
            raise UsageError('a number went wrong on rank 1')
