from pathlib import Path
from typing import Optional

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...prompt_files import save_prompts
from ...registry import HOOKS

START = 'mask_overlap_at_start'


@HOOKS.register_module()
class PromptCheckpointHook(Hook):
    """Write ``prompts.pth`` into the work_dir when stage 1 is through.

    Its ``meta`` also tells how much the masks overlapped in the first and in
    the last iteration.

    Args:
        filename (str): Name of the file. Defaults to 'prompts.pth'.
    """

    priority = 'LOWEST'

    def __init__(self, filename: str = 'prompts.pth') -> None:
        self.filename = filename
        self._overlap: Optional[float] = None

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Note the overlap of the masks."""
        self._overlap = outputs['mask_overlap'].item()
        if START not in runner.message_hub.runtime_info:
            runner.message_hub.update_info(START, self._overlap)
            runner.logger.info(
                f'Overlap of the masks at the start: {self._overlap:.4f}'
            )

    @master_only
    def after_train(self, runner) -> None:
        """Write the prompts."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        start = runner.message_hub.runtime_info.get(START)
        path = Path(runner.work_dir) / self.filename
        save_prompts(
            model.prompts,
            str(path),
            dict(
                source=model.source,
                teacher=type(model.teacher).__name__,
                teacher_ckpt=model.teacher_ckpt,
                iter=runner.iter,
                mask_overlap=dict(start=start, end=self._overlap),
            ),
        )
        if self._overlap is not None:
            runner.logger.info(
                f'Overlap of the masks at the end: {self._overlap:.4f}, at '
                f'the start: {start:.4f}'
            )
        runner.logger.info(f'Frequency prompts are written to {path}')
