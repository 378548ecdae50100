"""A hook that writes the losses of every process, which the log does not."""

import json
from pathlib import Path

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


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
