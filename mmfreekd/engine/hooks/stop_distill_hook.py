from typing import Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop

from ...errors import UsageError
from ...registry import HOOKS

# what is not computed any more, and would stay in the log as it was
STALE = ('train/distill.', 'train/distill_to_task', 'train/mask_')


@HOOKS.register_module()
class StopDistillHook(Hook):
    """Train on the student's own loss alone from some point on.

    MMRazor's hook of that name counts epochs, of which an iteration-based
    loop has none.

    Args:
        stop_epoch (int, optional): The first epoch without distillation,
            counted from 0; in an epoch-based loop only. Defaults to None.
        stop_iter (int, optional): The first iteration without. Defaults to
            None.

    Raises:
        UsageError: If not one of the two is given, training ends before it,
            the loop does not count epochs, or there is no distillation that
            can be stopped.
    """

    priority = 'LOW'

    def __init__(
        self,
        stop_epoch: Optional[int] = None,
        stop_iter: Optional[int] = None,
    ) -> None:
        if (stop_epoch is None) == (stop_iter is None):
            raise UsageError(
                'StopDistillHook needs either stop_epoch or stop_iter, got '
                f'stop_epoch={stop_epoch}, stop_iter={stop_iter}'
            )
        self.stop_epoch = stop_epoch
        self.stop_iter = stop_iter

    def before_train(self, runner) -> None:
        """Make sure that the distillation can be stopped, and is."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        if not getattr(model, 'calculate_student_loss', False):
            raise UsageError(
                'StopDistillHook needs a FreeKDDistill with '
                'calculate_student_loss=True, because the student goes on '
                f'with its own loss; got {type(model).__name__}. Remove it '
                'from custom_hooks, or set that'
            )
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        if self.stop_epoch is not None and not by_epoch:
            raise UsageError(
                f'StopDistillHook: stop_epoch={self.stop_epoch} is never '
                'reached, because train_cfg counts iterations: set stop_iter'
            )
        stop, end, unit = self.stop_iter, runner.max_iters, 'iter'
        if stop is None:
            stop, end, unit = self.stop_epoch, runner.max_epochs, 'epoch'
        if stop >= end:
            raise UsageError(
                f'StopDistillHook: stop_{unit}={stop} is never reached, '
                f'because training ends at {end}: set a smaller one, or '
                'remove it from custom_hooks'
            )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Stop, where it is time."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        count, stop = runner.iter, self.stop_iter
        if stop is None:
            count, stop = runner.epoch, self.stop_epoch
        if model.distillation_stopped or count < stop:
            return
        runner.logger.info('The distillation stops here.')
        model.distillation_stopped = True
        scalars = runner.message_hub.log_scalars
        for name in [n for n in scalars if n.startswith(STALE)]:
            del scalars[name]
