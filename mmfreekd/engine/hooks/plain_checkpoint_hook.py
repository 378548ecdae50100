from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook

from ...checkpoints.plain import log_history, plain
from ...registry import HOOKS


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Write checkpoints that ``torch.load`` reads in its default, safe mode.

    mmengine puts its log history into them as objects of its own, next to
    numpy's numbers. They are written as plain values, and the history is
    restored when a training is resumed. What a run that was killed left half
    written is removed.
    """

    priority = 'VERY_LOW'

    @master_only
    def before_train(self, runner) -> None:
        """Remove the incomplete files of a run that was killed."""
        for path in Path(runner.work_dir).glob('*.pth.tmp'):
            path.unlink()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Replace all but the weights by plain values."""
        for key, value in checkpoint.items():
            if key != 'state_dict':
                checkpoint[key] = plain(value)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Restore the log history."""
        history = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for name, value in history.items():
            history[name] = log_history(value)
