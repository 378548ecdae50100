from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...prompt_files import save_prompts
from ...registry import HOOKS


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

    @master_only
    def after_train(self, runner) -> None:
        """Write the prompts."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        history = runner.message_hub.get_scalar('train/mask_overlap').data[0]
        overlap = dict(start=float(history[0]), end=float(history[-1]))
        path = Path(runner.work_dir) / self.filename
        save_prompts(
            model.prompts,
            str(path),
            dict(
                source=model.source,
                teacher=type(model.teacher).__name__,
                teacher_ckpt=model.teacher_ckpt,
                iter=runner.iter,
                mask_overlap=overlap,
            ),
        )
        runner.logger.info(
            f'Frequency prompts are written to {path}. Overlap of the masks: '
            f'{overlap["start"]:.4f} at the start, {overlap["end"]:.4f} at '
            'the end'
        )
