from typing import Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmrazor.engine.hooks import StopDistillHook as RazorStopDistillHook
from mmrazor.engine.runner import (
    SingleTeacherDistillValLoop as RazorDistillValLoop,
)

from ...errors import UsageError
from ...models.algorithms import FreeKDDistill, FrequencyPromptTuning
from ...registry import HOOKS
from .frequency_log_hook import FrequencyLogHook
from .plain_checkpoint_hook import PlainCheckpointHook
from .prompt_checkpoint_hook import PromptCheckpointHook
from .random_state_hook import RandomStateHook
from .student_checkpoint_hook import StudentCheckpointHook


@HOOKS.register_module()
class FreeKDHook(Hook):
    """Bring along the hooks of a stage that the config does not list.

    ``tools/train.py`` registers it; a Runner of your own needs
    ``custom_hooks=[dict(type='mmfreekd.FreeKDHook')]``. In stage 1 it adds
    :class:`PromptCheckpointHook`, in stage 2 :class:`StudentCheckpointHook`,
    in both :class:`FrequencyLogHook`; for any model
    :class:`PlainCheckpointHook`, and :class:`RandomStateHook` if the config
    fixes ``randomness.seed``.

    It also refuses what would go wrong without a message: parts of MMRazor
    that do not work here, and labels of other classes than the head's.
    """

    priority = 'LOWEST'

    def before_run(self, runner) -> None:
        """Register what is missing."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        kinds = [PlainCheckpointHook]
        if (runner.cfg.get('randomness') or {}).get('seed') is not None:
            kinds += [RandomStateHook]
        if isinstance(model, FrequencyPromptTuning):
            kinds += [PromptCheckpointHook, FrequencyLogHook]
        elif isinstance(model, FreeKDDistill):
            kinds += [StudentCheckpointHook, FrequencyLogHook]
            refuse_razor_parts(runner)
        for kind in kinds:
            if not any(isinstance(hook, kind) for hook in runner.hooks):
                runner.register_hook(kind())

    def before_train(self, runner) -> None:
        """Compare what the config says twice.

        The classes of the head with those of the labels, and the weights
        that the student starts from.
        """
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        if isinstance(model, FrequencyPromptTuning) and model.task_loss:
            check_classes(runner, model.teacher, 'teacher')
        elif isinstance(model, FreeKDDistill) and model.calculate_student_loss:
            check_classes(runner, model.student, 'student')
        if isinstance(model, FreeKDDistill):
            report_start(runner, model)


def report_start(runner, model: FreeKDDistill) -> None:
    """Log which weights count where several are given."""
    given = [
        name for name in ('student_ckpt', 'inherit') if getattr(model, name)
    ]
    if given and runner._load_from and not runner._resume:
        runner.logger.warning(
            f'load_from={runner._load_from!r} counts, wherever it has a '
            f'weight of the student, not model.{given[0]}'
        )


def refuse_razor_parts(runner) -> None:
    """Raise ``UsageError`` for what works in MMRazor's algorithms only."""
    parts = [*runner.hooks, runner.val_loop]
    for kind, why in (
        (RazorStopDistillHook, 'it never stops in iteration-based loops'),
        (RazorDistillValLoop, "it replaces the teacher's normalisation"),
    ):
        if any(type(part) is kind for part in parts):
            raise UsageError(
                f'mmrazor.{kind.__name__} is not for FreeKDDistill: {why}. '
                f'Take mmfreekd.{kind.__name__}'
            )


def check_classes(runner, model, who: str) -> None:
    """Raise ``UsageError`` if a head has other classes than the labels."""
    dataset = runner.train_dataloader.dataset
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    count = head_classes(model)
    if classes is None or count is None or len(classes) == count:
        return
    hint = ''
    if who == 'teacher':
        hint = ', or task_loss=False, which tunes the prompts without labels'
    raise UsageError(
        f'the head of the {who} has num_classes={count}, but the training '
        f'data has {len(classes)} classes ({", ".join(classes[:5])}, ...). '
        f"Set the head's num_classes or the data set's metainfo{hint}"
    )


def head_classes(model) -> Optional[int]:
    """The classes of a model's head; None if it does not tell."""
    for name, module in model.named_modules():
        is_head = 'head' in name and 'rpn_head' not in name
        if is_head and isinstance(getattr(module, 'num_classes', None), int):
            return module.num_classes
    return None
