from typing import Dict

from mmengine.hooks import Hook

from ...errors import UsageError
from ...registry import HOOKS
from ..loops import evaluate_teacher
from .random_state_hook import random_states, set_random_states


@HOOKS.register_module()
class TeacherMetricHook(Hook):
    """Evaluate the teacher once, before a distillation begins.

    A teacher that knows nothing, for its weights or its normalisation are
    not what they should be, is the most frequent reason why distillation
    does not help.

    Args:
        teacher_min_metric (dict): What it has to reach on the validation
            set, by the names that the evaluator gives, such as
            ``{'coco/bbox_mAP': 0.35}`` or ``dict(mIoU=70)``.

    Raises:
        UsageError: Before the first iteration, if it does not reach that.
    """

    priority = 'LOW'

    def __init__(self, teacher_min_metric: Dict[str, float]) -> None:
        self.teacher_min_metric = teacher_min_metric

    def before_train(self, runner) -> None:
        """Evaluate, unless a training is resumed."""
        if runner.train_loop.iter > 0:
            return
        states = random_states()
        metrics = evaluate_teacher(runner)
        set_random_states(states)
        runner.logger.info(f'The teacher reaches {metrics}')
        for name, least in self.teacher_min_metric.items():
            if name not in metrics:
                raise UsageError(
                    f'teacher_min_metric: there is no metric {name!r}, the '
                    f'evaluator gives {", ".join(metrics)}'
                )
            if not metrics[name] >= least:  # nan is below everything
                raise UsageError(
                    f'teacher_min_metric: the teacher reaches {name} = '
                    f'{metrics[name]}, expected at least {least}. Check '
                    'model.teacher_ckpt, its config, its data_preprocessor '
                    'and the classes of the data set'
                )
