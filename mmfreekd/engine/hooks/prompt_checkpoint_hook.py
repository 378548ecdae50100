from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...checkpoints.prompts import save_prompts
from ...registry import HOOKS

OVERLAP = 'train/mask_overlap'


@HOOKS.register_module()
class PromptCheckpointHook(Hook):
    """Write ``prompts.pth`` into the work_dir of stage 1.

    It is written with every checkpoint and after the last iteration, before
    the validation that follows. Its ``meta`` also states how much the masks
    overlapped in the first and in the latest iteration.

    Args:
        filename (str): Name of the file. Defaults to 'prompts.pth'.
    """

    priority = 'LOWEST'

    def __init__(self, filename: str = 'prompts.pth') -> None:
        self.filename = filename

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Write the prompts of a checkpoint."""
        self._write(runner, checkpoint['meta']['iter'])

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Write the prompts before the last validation."""
        if self.is_last_train_iter(runner):
            self._write(runner, runner.iter + 1)

    @master_only
    def after_train(self, runner) -> None:
        """Write the prompts of a training that was stopped early."""
        self._write(runner, runner.iter)
        runner.logger.info(
            'Frequency prompts are written to '
            f'{Path(runner.work_dir) / self.filename}. Overlap of the masks: '
            f'{_overlap(runner)}'
        )

    @master_only
    def _write(self, runner, iteration: int) -> None:
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        save_prompts(
            model.prompts,
            str(Path(runner.work_dir) / self.filename),
            dict(
                source=model.source,
                teacher=type(model.teacher).__name__,
                teacher_ckpt=model.teacher_ckpt,
                data_idx=model.data_idx,
                iter=iteration,
                max_iters=runner.max_iters,
                mask_overlap=_overlap(runner),
            ),
        )


def _overlap(runner) -> dict:
    """The overlap at the start and now; empty if it was not logged."""
    history = runner.message_hub.log_scalars.get(OVERLAP)
    values = [] if history is None else history.data[0]
    if len(values) == 0:
        return {}
    return dict(start=float(values[0]), end=float(values[-1]))
