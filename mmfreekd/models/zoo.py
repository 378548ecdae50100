"""Building a teacher or student from whatever a config calls it by."""

from importlib import import_module
from pathlib import Path
from typing import Union

from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope

from ..errors import UsageError
from ..registry import MODELS


def build_model(cfg: Union[dict, BaseModel], who: str) -> BaseModel:
    """Build a detector or segmenter, or pass on one that is built.

    Args:
        cfg (dict | BaseModel): A model; its config; or
            ``dict(cfg_path=..., **changes)``: the model of a config file,
            named by its path or as ``'mmdet::retinanet/....py'``, with the
            changes merged into it.
        who (str): ``'teacher'`` or ``'architecture'``, for messages.

    Returns:
        BaseModel: The model.

    Raises:
        UsageError: If it is none of these, or there is no such config.
    """
    if isinstance(cfg, BaseModel):
        return cfg
    if not isinstance(cfg, dict) or not {'type', 'cfg_path'} & cfg.keys():
        raise UsageError(
            f'{who} must be a model, a dict with its type, or '
            "dict(cfg_path='mmdet::...' or a path), got "
            f'{type(cfg).__name__} {cfg if isinstance(cfg, dict) else ""}'
        )
    if 'type' in cfg:
        model = MODELS.build(cfg)
    else:
        model = _from_file(dict(cfg), who)
    if not isinstance(model, BaseModel):
        raise UsageError(
            f'{who} must be a model of mmengine (a detector or segmenter), '
            f'got {type(model).__name__}'
        )
    return model


def _from_file(changes: dict, who: str) -> BaseModel:
    path = changes.pop('cfg_path')
    try:
        if '::' in path:
            cfg = get_config(path)
        else:
            cfg = Config.fromfile(path)
    except (FileNotFoundError, AssertionError, ValueError) as error:
        raise UsageError(
            f'{who}: there is no config {path!r} ({error}). Give a path '
            f'(working directory {Path.cwd()}), or package::folder/name.py '
            'of an installed package'
        )
    if 'model' not in cfg:
        raise UsageError(f'{who}: the config {path!r} defines no model')
    if 'data_preprocessor' in cfg:
        cfg.model.data_preprocessor = cfg.data_preprocessor
    cfg.merge_from_dict(dict(model=changes))
    scope = cfg.get('default_scope', 'mmengine')
    with DefaultScope.overwrite_default_scope(scope):
        if scope != 'mmengine':
            import_module(f'{scope}.models')
        return MODELS.build(cfg.model)
