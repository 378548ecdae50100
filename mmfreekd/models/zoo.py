"""Building a teacher or student from whatever a config calls it by."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Optional, Union

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hub import get_config
from mmengine.logging import print_log
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import DefaultScope

from ..checkpoints import load_strictly
from ..errors import UsageError
from ..registry import MODELS, dotted_types


def build_model(
    cfg: Union[dict, BaseModel],
    who: str,
    data_preprocessor: Optional[dict] = None,
) -> BaseModel:
    """Build a detector or segmenter, or pass on one that is built.

    Args:
        cfg (dict | BaseModel): A model; its config; or
            ``dict(cfg_path=..., **changes)``: the model of a config file,
            named by its path or as ``'mmdet::retinanet/....py'``, with the
            changes merged into it.
        who (str): ``'teacher'`` or ``'architecture'``, for messages.
        data_preprocessor (dict, optional): That of a model which brings none
            along. Like mmengine, a model prefers its own, then the one at the
            top of its config. Defaults to None.

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
        own = cfg.get('data_preprocessor')
        if own and data_preprocessor and own != data_preprocessor:
            print_log(
                f'{who}: the data_preprocessor in the model counts, not the '
                'one at the top of the config, which differs',
                logger='current',
            )
        model = MODELS.build(
            dict(cfg, data_preprocessor=own or data_preprocessor)
            if own or data_preprocessor
            else cfg
        )
    else:
        file = _from_file(dict(cfg), who, data_preprocessor)
        model = _build_in_scope(file.model, file.get('default_scope'))
    if not isinstance(model, BaseModel):
        raise UsageError(
            f'{who} must be a model of mmengine (a detector or segmenter), '
            f'got {type(model).__name__}'
        )
    if get_world_size() == 1 or not torch.cuda.is_available():
        # here and not by mmengine's Runner, which would replace layers that
        # recorders are attached to
        model = revert_sync_batchnorm(model)
    return model


def _build_in_scope(model: dict, scope: Optional[str]) -> BaseModel:
    with DefaultScope.overwrite_default_scope(scope or 'mmengine'):
        if scope not in (None, 'mmengine'):
            if find_spec(scope) is None:
                raise UsageError(
                    f'default_scope={scope!r} of a config is a package that '
                    'is not installed. Install it, or take another model'
                )
            import_module(f'{scope}.models')
        return MODELS.build(model)


def load_teacher(
    teacher: BaseModel, teacher_ckpt: Optional[str], built: bool
) -> bool:
    """Give a teacher its weights, strictly.

    Args:
        teacher (BaseModel): The teacher.
        teacher_ckpt (str, optional): Its checkpoint. None: that of its
            ``init_cfg``, if it is to be initialised from one.
        built (bool): Whether the user gave it as a model, weights and all.

    Returns:
        bool: Whether it has weights now; mmengine leaves them alone then.

    Raises:
        CheckpointError: If the checkpoint is missing or does not match.
    """
    configs = teacher.init_cfg or []
    for cfg in [configs] if isinstance(configs, dict) else configs:
        if cfg['type'] == 'Pretrained':
            if teacher_ckpt not in (None, cfg['checkpoint']):
                print_log(
                    f'teacher_ckpt={teacher_ckpt!r} counts, not the '
                    f"teacher's init_cfg, which names {cfg['checkpoint']!r}",
                    logger='current',
                )
            teacher_ckpt = teacher_ckpt or cfg['checkpoint']
    if teacher_ckpt is not None:
        load_strictly(teacher, teacher_ckpt, 'teacher_ckpt')
    teacher._is_init = built or teacher_ckpt is not None
    return teacher._is_init


def refuse_random_teacher(has_weights: bool) -> None:
    """Raise ``UsageError`` if nothing has given the teacher weights."""
    if not has_weights:
        raise UsageError(
            'the teacher would have random weights. Set model.teacher_ckpt '
            'to its checkpoint'
        )


def model_config(
    cfg: dict, who: str, data_preprocessor: Optional[dict] = None
) -> dict:
    """The config of a model, with the data preprocessor that counts.

    Args:
        cfg, who, data_preprocessor: As :func:`build_model` takes them.

    Returns:
        dict: With ``type``, and ``data_preprocessor`` if there is one.

    Raises:
        UsageError: If there is no such config.
    """
    if 'cfg_path' in cfg:
        return dotted_types(
            _from_file(dict(cfg), who, data_preprocessor).model
        )
    model = dict(cfg)
    if not model.get('data_preprocessor') and data_preprocessor:
        model['data_preprocessor'] = data_preprocessor
    return dotted_types(model)


def _from_file(
    changes: dict, who: str, data_preprocessor: Optional[dict]
) -> Config:
    path = changes.pop('cfg_path')
    cfg = read_config(path, who)
    if 'model' not in cfg:
        raise UsageError(f'{who}: the config {path!r} defines no model')
    top = cfg.get('data_preprocessor', data_preprocessor)
    if top is not None:
        cfg.model.setdefault('data_preprocessor', top)
    cfg.merge_from_dict(dict(model=changes))
    return cfg


def read_config(path: str, who: str) -> Config:
    """Read a config file, or one of an installed package.

    Args:
        path (str): A path, or ``'mmdet::retinanet/....py'``.
        who (str): Whose config it is, for messages.

    Raises:
        UsageError: If there is none, or its package is not installed.
    """
    package, _, name = path.rpartition('::')
    if package and find_spec(package) is None:
        raise UsageError(
            f'{who}: the config {path!r} is one of the package {package!r}, '
            'which is not installed. Install it, or give the path of a file'
        )
    try:
        return get_config(path) if package else Config.fromfile(path)
    except Exception as error:  # the file is a program
        raise UsageError(
            f'{who}: there is no config {path!r}, or it cannot be read '
            f'({error}). Give a path (working directory {Path.cwd()}), or '
            'package::folder/name.py of an installed package'
        )
