from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

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
    """

    priority = 'LOWEST'

    def before_run(self, runner) -> None:
        """Register what is missing."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        kinds = [PlainCheckpointHook]
        if (runner.cfg.get('randomness') or {}).get('seed') is not None:
            kinds += [RandomStateHook]
        if isinstance(model, FrequencyPromptTuning):
            kinds += [PromptCheckpointHook, FrequencyLogHook]
        elif isinstance(model, FreeKDDistill):
            kinds += [StudentCheckpointHook, FrequencyLogHook]
        for kind in kinds:
            if not any(isinstance(hook, kind) for hook in runner.hooks):
                runner.register_hook(kind())
