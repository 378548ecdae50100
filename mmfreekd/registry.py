"""The registries of scope ``mmfreekd``, children of mmengine's.

Write the scope out in configs: ``type='mmfreekd.FreeKDDistill'``.
"""

from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import Registry

from .compat.versions import refuse_known_bad

refuse_known_bad()

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope='mmfreekd',
    locations=['mmfreekd.models'],
)
HOOKS = Registry(
    'hook',
    parent=MMENGINE_HOOKS,
    scope='mmfreekd',
    locations=['mmfreekd.engine'],
)
LOOPS = Registry(
    'loop',
    parent=MMENGINE_LOOPS,
    scope='mmfreekd',
    locations=['mmfreekd.engine'],
)
METRICS = Registry(
    'metric',
    parent=MMENGINE_METRICS,
    scope='mmfreekd',
    locations=['mmfreekd.evaluation'],
)
TASK_UTILS = Registry(
    'task util',
    parent=MMENGINE_TASK_UTILS,
    scope='mmfreekd',
    locations=['mmfreekd.models'],
)

__all__ = ['HOOKS', 'LOOPS', 'METRICS', 'MODELS', 'TASK_UTILS']
