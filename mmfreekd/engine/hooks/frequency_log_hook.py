from typing import Any, Callable, Dict, List, Optional

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook, LoggerHook
from torch import nn

from ...models.losses import FreeKDLoss, PromptDissimilarityLoss
from ...registry import HOOKS
from .frequency_statistics import loss_statistics, mask_statistics


@HOOKS.register_module()
class FrequencyLogHook(Hook):
    """Log what the bands and masks of either stage do.

    Where mmengine's ``LoggerHook`` logs an iteration, and only there, from
    what the losses are given in that very iteration; nothing of the training
    changes.

    Into the log:

    - ``mask_mean`` and ``mask_overlap``: the means over bands and pyramid
      levels. The overlap of T masks runs from 1 / T, nothing in common, to
      1; see :func:`mmfreekd.frequency.mask_overlap`. Of several losses,
      those of the last.
    - ``distill_to_task`` (stage 2): the distillation losses, with their
      weights, divided by the student's own.

    To the backends of mmengine's ``Visualizer`` alone, for they are many:

    - ``{loss}/pyramid{i}/{band}`` (stage 2): what a band of a pyramid level
      adds to a ``FreeKDLoss``, such as
      ``loss_freekd/pyramid0/level1_diagonal``; together they are the loss.
    """

    priority = 'NORMAL'  # before LoggerHook

    def __init__(self) -> None:
        self._logger: Optional[LoggerHook] = None
        self._handles: List[Any] = []
        self._bands: Dict[str, float] = {}
        self._masks: Dict[str, float] = {}

    def before_train(self, runner) -> None:
        """Find out when there is a log."""
        loggers = [h for h in runner.hooks if isinstance(h, LoggerHook)]
        self._logger = loggers[0] if loggers else None

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Listen to the losses of an iteration that is logged."""
        if not self._is_logged(runner, batch_idx):
            return
        for name, module in runner.model.named_modules():
            listen = None
            if isinstance(module, FreeKDLoss):
                listen = self._of_distance(name.rpartition('.')[2])
            elif isinstance(module, PromptDissimilarityLoss):
                listen = self._of_masks
            if listen is not None:
                self._handles.append(
                    module.register_forward_hook(listen, with_kwargs=True)
                )

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Write down what was heard."""
        if not self._is_logged(runner, batch_idx):
            return
        for handle in self._handles:
            handle.remove()
        statistics = {**distill_to_task(outputs or {}), **self._masks}
        for name, value in statistics.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        if self._bands:
            runner.visualizer.add_scalars(self._bands, step=runner.iter + 1)
        self._handles, self._bands, self._masks = [], {}, {}

    def _is_logged(self, runner, batch_idx: int) -> bool:
        if self._logger is None or not is_main_process():
            return False
        interval, loader = self._logger.interval, runner.train_dataloader
        if self.every_n_inner_iters(batch_idx, interval):
            return True
        few = len(loader) <= interval or not self._logger.ignore_last
        return few and self.end_of_epoch(loader, batch_idx)

    def _of_distance(self, name: str) -> Callable:

        def listen(loss: FreeKDLoss, args: tuple, kwargs: dict, output):
            statistics = loss_statistics(loss, *args, **kwargs)
            values = torch.stack([*statistics.values()]).tolist()
            for key, value in zip(statistics, values):
                if key.startswith('mask_'):
                    self._masks[key] = value
                else:
                    self._bands[f'{name}/{key}'] = value

        return listen

    def _of_masks(self, loss: nn.Module, args: tuple, kwargs: dict, output):
        masks = args[0] if args else kwargs['masks']
        # the overlap is logged by stage 1 itself, in every iteration
        self._masks['mask_mean'] = float(mask_statistics(masks)['mask_mean'])


def distill_to_task(log_vars: Dict[str, Any]) -> Dict[str, float]:
    """The ratio of distillation to task loss of an iteration.

    Args:
        log_vars (dict): Its losses, as ``train_step`` returns them.

    Returns:
        dict[str, float]: ``distill_to_task``; empty where either is missing.
    """
    totals = dict.fromkeys(('distill.', 'student.'), 0.0)
    for name, value in log_vars.items():
        for prefix in totals:
            if name.startswith(prefix) and 'loss' in name:
                totals[prefix] += float(torch.as_tensor(value).detach())
    if not all(totals.values()):
        return {}
    return dict(distill_to_task=totals['distill.'] / totals['student.'])
