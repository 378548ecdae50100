"""Validation of teacher and student."""

from typing import Dict

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import ValLoop

from ..errors import UsageError
from ..registry import LOOPS


@LOOPS.register_module()
class SingleTeacherDistillValLoop(ValLoop):
    """Validate the student, and beside it the teacher.

    MMRazor's loop of that name gives the teacher the student's
    ``data_preprocessor``, for the rest of the training as well, and evaluates
    it every time. This one leaves the teacher its own and evaluates it once,
    because it is frozen. Its metrics are called ``teacher.*``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._teacher_metrics: Dict[str, float] = {}

    def run(self) -> Dict[str, float]:
        """Validate both.

        Returns:
            dict[str, float]: The metrics.
        """
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        for index, batch in enumerate(self.dataloader):
            self.run_iter(index, batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        if not self._teacher_metrics:
            self._teacher_metrics = evaluate_teacher(self.runner)
        # a student without any would leave save_best to the teacher's
        for name, value in self._teacher_metrics.items() if metrics else ():
            metrics[f'teacher.{name}'] = value
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics


@torch.no_grad()
def evaluate_teacher(runner) -> Dict[str, float]:
    """The metrics of the teacher on the validation set.

    Raises:
        UsageError: If the config has no validation.
    """
    loop = runner.val_loop
    if loop is None:
        raise UsageError(
            'the teacher is evaluated on the validation set: set '
            'val_dataloader, val_cfg and val_evaluator in the config'
        )
    model = runner.model
    teacher = (model.module if is_model_wrapper(model) else model).teacher
    teacher.eval()
    for batch in loop.dataloader:
        loop.evaluator.process(
            data_samples=teacher.val_step(batch), data_batch=batch
        )
    return loop.evaluator.evaluate(len(loop.dataloader.dataset))
