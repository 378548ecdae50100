"""What the loops of a dry run do: few steps, of every kind."""

import inspect
import time
from collections.abc import Callable
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.runner import EpochBasedTrainLoop

from ..explain import accepted
from .data import FirstBatches, batch_size
from .model import describe_step, measured_memory
from .report import Report

NOT_FOR_WANT_OF_IMAGES = (KeyError, AttributeError, TypeError)
PATIENCE = 5  # seconds, for hooks that are called once for each epoch


def run_train(runner: Any, loop: Any) -> Any:
    """The first iteration; then, as in the last epoch, the smallest batch.

    Args:
        runner (CautiousRunner): The runner.
        loop (BaseLoop): Its loop, of the type that the config says.

    Returns:
        nn.Module: The model.
    """
    batches = [] if runner.model_failed else list(loop.dataloader)
    runner.call_hook('before_train')
    runner.call_hook('before_train_epoch')
    runner.model.train()
    if batches:
        _step(runner, loop, batches[0], 'the first training step')
    _later_epochs(runner, loop)
    if hasattr(loop, '_iter') and loop.max_iters:
        loop._iter = max(loop._iter, loop.max_iters - 1)
    if batches:
        size = batch_size(batches[-1])
        what = f"train_dataloader, an epoch's last batch of {size} image(s)"
        _step(runner, loop, batches[-1], what)
    runner.call_hook('after_train_epoch')
    if isinstance(loop, EpochBasedTrainLoop):
        loop._epoch += 1
    with runner.report.attempt('train_cfg.val_interval'):
        loop.iter % getattr(loop, 'val_interval', 1)  # noqa: B018
    if batches and runner.val_loop is not None:
        runner.val_loop.run()
    runner.call_hook('after_train')
    if batches:
        with runner.report.attempt('the checkpoint'):
            runner.save_checkpoint(runner.work_dir, 'dry_run.pth')
    return runner.model


def _step(runner: Any, loop: Any, batch: Any, what: str) -> None:
    """An iteration of the loop, with hooks and optimiser."""
    takes_index = 'idx' in inspect.signature(loop.run_iter).parameters
    index = [loop.iter] if takes_index else []
    runner.losses = None
    with (
        runner.report.attempt(what),
        measured_memory(batch_size(batch), runner.report),
    ):
        loop.run_iter(*index, batch)
    if runner.losses is not None:
        with runner.report.attempt('model.distiller'):
            describe_step(runner.model, runner.losses, runner.report)


def _later_epochs(runner: Any, loop: Any) -> None:
    """Let hooks act that wait for an epoch: the last ones without mosaic."""
    if not isinstance(loop, EpochBasedTrainLoop):
        return
    until = time.time() + PATIENCE
    for epoch in range(1, loop.max_epochs):
        if time.time() < until or epoch == loop.max_epochs - 1:
            loop._epoch = epoch
            runner.call_hook('before_train_epoch')


def run_val(runner: Any, loop: Any, run: Callable) -> None:
    """The loop's own validation, of few batches.

    Args:
        runner (CautiousRunner): The runner.
        loop (BaseLoop): The loop of validation.
        run (Callable): Its own ``run``.
    """
    if not isinstance(loop.dataloader, FirstBatches) or (
        not loop.dataloader.few
    ):
        return
    iterate = loop.run_iter

    def run_iter(idx: int, batch: Any) -> None:
        with runner.report.attempt('the validation step'):
            iterate(idx, batch)

    loop.run_iter = run_iter
    images = sum(batch_size(batch) for batch in loop.dataloader.few)
    for metric in getattr(runner.val_evaluator, 'metrics', ()):
        metric.dry_run_partial = loop.dataloader.invented or images < len(
            loop.dataloader.dataset
        )
    with runner.report.attempt('val_cfg'):
        run()


def tolerant(metric: BaseMetric, key: str, report: Report) -> None:
    """Let a metric fail alone, if it needs more than a few images.

    Args:
        metric (BaseMetric): The metric. One that reads the annotations of
            the whole data set by itself may want a result for each image.
        key (str): Where it is in the config.
        report (Report): Where problems go.
    """
    evaluate = metric.evaluate
    wants_all = 'ann_file' in (accepted(type(metric)) or ())

    def evaluate_few(size: int) -> dict:
        if not metric.results:
            return {}  # no image came through
        try:
            return evaluate(size)
        except Exception as error:  # whatever a metric raises
            partial = wants_all and getattr(metric, 'dry_run_partial', False)
            if not partial or isinstance(error, NOT_FOR_WANT_OF_IMAGES):
                with report.attempt(key):
                    raise
            else:
                report.remark(
                    f'{key}: {type(metric).__name__} was not computed on a '
                    f'few images ({type(error).__name__}: {error})'
                )
            metric.results.clear()
            return {}

    metric.evaluate = evaluate_few
