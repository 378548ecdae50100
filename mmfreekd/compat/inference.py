"""Inference APIs take a distillation's config for that of its student.

``init_detector``, ``init_model`` and the inferencers look for
``cfg.model.backbone``. A distillation's checkpoint has its student's keys, so
its student is all they need.
"""

import functools
from pathlib import Path
from typing import Any


def patch_functions(module) -> None:
    """Patch ``mmdet.apis.inference`` and ``mmseg.apis.inference``."""
    for name in ('init_detector', 'init_model'):
        if hasattr(module, name):
            setattr(module, name, _with_student(getattr(module, name)))


def patch_inferencer(module) -> None:
    """Patch ``mmengine.infer.infer``."""
    build = module.BaseInferencer._init_model

    @functools.wraps(build)
    def init_model(self, cfg, *args, **kwargs):
        use_student(cfg)
        return build(self, cfg, *args, **kwargs)

    module.BaseInferencer._init_model = init_model


def _with_student(build):
    @functools.wraps(build)
    def init(config, *args, **kwargs):
        from mmengine.config import Config

        if isinstance(config, (str, Path)):
            config = Config.fromfile(config)
        use_student(config)
        return build(config, *args, **kwargs)

    return init


def use_student(cfg: Any) -> bool:
    """Replace a distillation in a config by its student.

    Args:
        cfg (Config): The config; one of another model stays as it is.

    Returns:
        bool: Whether it was a distillation.
    """
    from ..registry import type_name

    model = cfg.get('model') if hasattr(cfg, 'get') else None
    if not model or type_name(model) != 'FreeKDDistill':
        return False
    from ..models.zoo import model_config

    top = cfg.get('data_preprocessor')
    cfg.model = model_config(model['architecture'], 'architecture', top)
    return True
