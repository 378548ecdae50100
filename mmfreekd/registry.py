"""The registries of scope ``mmfreekd``, children of mmengine's.

Write the scope out in configs: ``type='mmfreekd.FreeKDDistill'``.
"""

from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

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

__all__ = ['HOOKS', 'MODELS']
