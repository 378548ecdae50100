"""Reading configs, their stage 1, and what tells two of them apart."""

import copy
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Optional

from mmengine.config import Config

import mmfreekd.registry  # noqa: F401  first: it lets MMRazor import
from mmfreekd.presets import STAGE_1, Preset, resolve_preset
from mmfreekd.stages import tuning_config, wanted_prompts

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = Path('work_dirs/evidence/prompts')  # that no config names
# what a result depends on, beside the model: no hooks, no logs, no paths
KEYS = (
    'make_data',
    'train_dataloader',
    'val_dataloader',
    'val_evaluator',
    'splits',
    'metric',
    'optim_wrapper',
    'param_scheduler',
)
FREEKD_LOSSES = tuple(
    f'mmfreekd.{name}'
    for name in ('FreeKDLoss', 'MaskControlLoss', 'EnergyMaskLoss')
)
GIVEN = (*STAGE_1[:3], 'low_band', 'position_gate')  # by a loss


def load(config: str, options: dict, seed: int) -> Config:
    """Read a config and put options and seed into it.

    Prompts that the config needs without a ``prompt_ckpt`` get a path of
    their own, which configs with the same stage 1 share.

    Args:
        config (str): The config file.
        options (dict): Dotted keys and their values.
        seed (int): The seed.

    Returns:
        Config: The config.
    """
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(copy.deepcopy(options))
    cfg.randomness = dict(seed=seed)
    wanted = wanted_prompts(cfg)
    if wanted is not None and not wanted.owner.get('prompt_ckpt'):
        said = dict(tuning_essence(cfg), teacher=_teacher(cfg))
        wanted.owner['prompt_ckpt'] = str(
            PROMPTS / _hash(said) / 'prompts.pth'
        )
    return cfg


def tuning_of(cfg: Config) -> Optional[Config]:
    """The config of stage 1; None if no prompts are needed.

    Where a ``prompt_ckpt`` ``.../NAME/prompts.pth`` is given and there is a
    config ``NAME.py`` beside the config, it is that one.
    """
    wanted = _prompted_loss(cfg)
    if wanted is not None and wanted.get('prompt_ckpt'):
        name = f'{Path(wanted["prompt_ckpt"]).parent.name}.py'
        path = Path(cfg.filename).parent / name
        if path.is_file():
            return load(str(path), {}, 0)
    prompts = wanted_prompts(cfg)
    if prompts is None:
        return None
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(Path(prompts.owner.get('prompt_ckpt') or '.').parent)
    prompts.owner.setdefault('prompt_ckpt', 'prompts.pth')
    tuning = tuning_config(cfg, prompts)
    tuning.work_dir = cfg.work_dir
    tuning.randomness = dict(seed=0)
    return tuning


def _prompted_loss(cfg: Config) -> Optional[dict]:
    """The first loss of FreeKD that has prompts."""
    losses = cfg.model.get('distiller', {}).get('distill_losses') or {}
    return next(
        (
            loss
            for loss in losses.values()
            if loss.type in FREEKD_LOSSES and loss.get('num_prompts') != 0
        ),
        None,
    )


def fingerprint(cfg: Config) -> str:
    """A short hash of what the results of a config depend on.

    Hooks, logging, paths and the names of losses are no part of it. Presets
    are part by what they have otherwise than by default, teachers and prompts
    by the configs that make them.
    """
    said = {key: cfg[key] for key in KEYS if key in cfg}
    said['max_iters'] = cfg.train_cfg.max_iters
    model = cfg.model.to_dict()
    if 'distiller' in model:
        model.pop('teacher_ckpt', None)
        model['teacher'] = _teacher(cfg)
        model['distiller'] = _losses(cfg, model['distiller'])
    said['model'] = model
    return _hash(said)


def _hash(said: dict) -> str:
    text = json.dumps(said, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _teacher(cfg: Config) -> Any:
    """The teacher's config, by its hash where it is a file."""
    teacher = cfg.model.teacher
    path = teacher.get('cfg_path', '::')
    if '::' in path:
        return teacher
    changes = {key: v for key, v in teacher.items() if key != 'cfg_path'}
    return [fingerprint(Config.fromfile(path)), changes]


def _losses(cfg: Config, distiller: dict) -> list:
    """The losses of a distiller in the long form, without names."""
    if 'loss_forward_mappings' not in distiller:
        return [distiller, tuning_essence(cfg)]

    def said(record: dict) -> dict:
        record = dict(record)
        side = 'student' if record['from_student'] else 'teacher'
        layer = distiller[f'{side}_recorders'][record.pop('recorder')]
        connector = record.pop('connector', None)
        if connector is not None:
            record['connector'] = distiller['connectors'][connector]
        return dict(record, layer=layer)

    losses = []
    for name, loss in distiller['distill_losses'].items():
        mapping = distiller['loss_forward_mappings'][name]
        inputs = {key: said(record) for key, record in mapping.items()}
        if loss['type'] in FREEKD_LOSSES:
            loss = dict(loss)
            loss.pop('prompt_ckpt', None)
            given = {key: loss.pop(key, None) for key in GIVEN}
            preset = resolve_preset(loss.pop('preset', 'paper'), **given)
            loss['preset'] = changes(preset)
            if preset.num_prompts:
                loss['prompts'] = tuning_essence(cfg)
        losses.append(dict(loss=loss, inputs=inputs))
    return losses


def tuning_essence(cfg: Config) -> Dict[str, Any]:
    """What prompts depend on beside teacher and data."""
    tuning = tuning_of(cfg)
    if tuning is None:
        return {}
    model = tuning.model
    preset = resolve_preset(model.preset, **(model.get('prompt') or {}))
    return dict(
        source=model.source,
        preset={key: getattr(preset, key) for key in (*STAGE_1, 'overlap')},
        max_iters=tuning.train_cfg.max_iters,
        optim_wrapper=tuning.optim_wrapper,
        param_scheduler=tuning.param_scheduler,
    )


def changes(preset: Preset) -> Dict[str, Any]:
    """What a preset has otherwise than by default."""
    return {
        field.name: getattr(preset, field.name)
        for field in dataclasses.fields(preset)
        if getattr(preset, field.name) != field.default
    }
