"""The plain config of a student, from that of its distillation."""

from typing import Optional

from mmengine.config import Config
from mmengine.hub import get_config

from mmfreekd.errors import UsageError

# what evaluation and inference need; the rest is of the training
KEPT = (
    'default_scope',
    'model',
    'dataset_type',
    'data_root',
    'backend_args',
    'test_pipeline',
    'val_dataloader',
    'val_evaluator',
    'val_cfg',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
    'tta_model',
    'tta_pipeline',
    'default_hooks',
    'env_cfg',
    'vis_backends',
    'visualizer',
    'log_processor',
    'log_level',
)


def student_config(config: Optional[str], meta: dict) -> Config:
    """The config with which stock mmdet or mmseg runs a student.

    Args:
        config (str, optional): Config file of the distillation or of the
            student. None: the one that the checkpoint brings along.
        meta (dict): ``meta`` of the checkpoint.

    Returns:
        mmengine.config.Config: It names no teacher and no distiller.

    Raises:
        UsageError: If there is no config, or none of a student.
    """
    text = meta.get('cfg') or meta.get('config')
    if config is not None:
        cfg = Config.fromfile(config)
    elif text:
        cfg = Config.fromstring(text, '.py')
    else:
        raise UsageError(
            'the checkpoint brings no config along: name that of the '
            'distillation or of the student with --config'
        )
    if 'model' not in cfg:
        raise UsageError(f'{config or "the config"} defines no model')
    plain = {key: cfg[key] for key in KEPT if key in cfg}
    plain['model'] = student_model(cfg)
    return Config(plain)


def student_model(cfg: Config) -> dict:
    """The model of a config, of a distillation only the student.

    Args:
        cfg (mmengine.config.Config): The config.

    Returns:
        dict: Config of a detector or segmenter with its data preprocessor.
    """
    model = cfg.model
    student = model.get('architecture', model)
    if 'cfg_path' in student:
        changes = dict(student)
        path = changes.pop('cfg_path')
        changes.pop('pretrained', None)  # MMRazor's word to its builder
        source = get_config(path) if '::' in path else Config.fromfile(path)
        source.merge_from_dict(dict(model=changes))
        student = source.model
        student.setdefault(
            'data_preprocessor', source.get('data_preprocessor')
        )
    preprocessor = (
        model.get('data_preprocessor')
        or student.get('data_preprocessor')
        or cfg.get('data_preprocessor')
    )
    return {**student, 'data_preprocessor': preprocessor}
