"""The registries of scope ``mmfreekd``, children of mmengine's.

Write the scope out in configs: ``type='mmfreekd.FreeKDDistill'``.
"""

from typing import Any

from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
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
TRANSFORMS = Registry(
    'transform',
    parent=MMENGINE_TRANSFORMS,
    scope='mmfreekd',
    locations=['mmfreekd.datasets'],
)


def type_name(cfg: dict) -> str:
    """What a config builds, without its scope; '' if it does not say so.

    In pure-Python configs a type is the class itself.
    """
    kind = cfg.get('type') or ''
    return str(getattr(kind, '__name__', kind)).split('.')[-1]


def dotted_types(cfg: Any) -> Any:
    """A config with classes as ``'module.Class'``, which can be written."""
    if isinstance(cfg, dict):
        return {key: dotted_types(value) for key, value in cfg.items()}
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(map(dotted_types, cfg))
    if isinstance(cfg, type):
        return f'{cfg.__module__}.{cfg.__qualname__}'
    return cfg


__all__ = [
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'TASK_UTILS',
    'TRANSFORMS',
    'dotted_types',
    'type_name',
]
