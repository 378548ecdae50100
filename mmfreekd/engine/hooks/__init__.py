from .freekd_hook import FreeKDHook
from .frequency_log_hook import FrequencyLogHook
from .frequency_visualization_hook import FrequencyVisualizationHook
from .plain_checkpoint_hook import PlainCheckpointHook
from .prompt_checkpoint_hook import PromptCheckpointHook
from .random_state_hook import RandomStateHook
from .stop_distill_hook import StopDistillHook
from .student_checkpoint_hook import StudentCheckpointHook
from .teacher_metric_hook import TeacherMetricHook

__all__ = [
    'FreeKDHook',
    'FrequencyLogHook',
    'FrequencyVisualizationHook',
    'PlainCheckpointHook',
    'PromptCheckpointHook',
    'RandomStateHook',
    'StopDistillHook',
    'StudentCheckpointHook',
    'TeacherMetricHook',
]
