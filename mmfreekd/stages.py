"""Both stages from one config: the prompt tuning that a distillation needs."""

from copy import deepcopy
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from .checkpoints.prompts import read_prompts
from .errors import UsageError
from .models.zoo import model_config
from .presets import STAGE_1, resolve_preset, without_none
from .registry import dotted_types, type_name

MAX_ITERS = 2000
# Adam's; MasKD tunes its tokens with it
LR = 0.01
# what the teacher does with an image, as opposed to how images are batched
NORMALISATION = (
    'mean',
    'std',
    'bgr_to_rgb',
    'rgb_to_bgr',
    'pad_value',
    'pad_val',
)


class Prompts(NamedTuple):
    """The prompts that a distillation's config asks for.

    Attributes:
        owner (dict): Where the config holds ``prompt_ckpt``: the distiller in
            its short form, or a loss.
        source (str): The teacher's layer.
        data_idx (int | list[int], optional): Its pyramid levels.
        preset (dict): The preset with its changes.
    """

    owner: dict
    source: str
    data_idx: Optional[object]
    preset: dict


def wanted_prompts(cfg: Config) -> Optional[Prompts]:
    """Which prompts a config needs.

    Args:
        cfg (Config): Of a distillation, or of anything else.

    Returns:
        Prompts: None if it needs none.

    Raises:
        UsageError: If several losses need prompts and do not say where they
            are, or the layer runs several times.
    """
    distiller = cfg.model.get('distiller') or {}
    found: List[Prompts] = []
    source = distiller.get('teacher_source') or distiller.get('source')
    if source:
        found.append(
            Prompts(
                distiller,
                source,
                distiller.get('data_idx'),
                _preset(distiller),
            )
        )
    for name, loss in (distiller.get('distill_losses') or {}).items():
        if type_name(loss) == 'FreeKDLoss':
            record = distiller.loss_forward_mappings[name].t_feature
            found.append(
                Prompts(
                    loss,
                    distiller.teacher_recorders[record.recorder].source,
                    record.get('data_idx'),
                    _preset(loss),
                )
            )
            if not isinstance(record.get('record_idx', 0), int):
                raise UsageError(
                    f'{name}: stage 1 prompts a layer that runs once, but '
                    f'record_idx is {record.record_idx}. Set num_prompts=0, '
                    'or take another layer'
                )
    found = [p for p in found if resolve_preset(p.preset).num_prompts]
    if len(found) > 1:
        missing = [p for p in found if not p.owner.get('prompt_ckpt')]
        if missing:
            raise UsageError(
                f'{len(found)} losses need prompts, of '
                f'{", ".join(p.source for p in found)}: tune them one by one '
                'and set prompt_ckpt of each'
            )
        return None
    return found[0] if found else None


def _preset(owner: dict) -> dict:
    preset = owner.get('preset', 'paper')
    preset = preset if isinstance(preset, dict) else dict(name=preset)
    given = {key: owner.get(key) for key in STAGE_1}
    return {**preset, **without_none(given)}


def set_prompt_ckpt(cfg: Config) -> Optional[Prompts]:
    """Write into a config where its prompts are, if it does not say so.

    Returns:
        Prompts: What it needs; None if it needs none.
    """
    prompts = wanted_prompts(cfg)
    if prompts is not None and not prompts.owner.get('prompt_ckpt'):
        path = Path(cfg.work_dir) / 'stage_1' / 'prompts.pth'
        prompts.owner['prompt_ckpt'] = str(path)
    return prompts


def is_tuned(prompts: Prompts, tuning: Config) -> bool:
    """Whether the file of the prompts is there, and its tuning finished.

    Args:
        prompts (Prompts): What the distillation needs.
        tuning (Config): The config of its stage 1.

    Raises:
        UsageError: If the file is of another teacher or layout.
    """
    path = prompts.owner['prompt_ckpt']
    if '://' in path or not Path(path).expanduser().is_file():
        return '://' in path
    meta, _ = read_prompts(path)
    wanted = resolve_preset(prompts.preset)
    expected = dict(
        {key: getattr(wanted, key) for key in STAGE_1},
        source=prompts.source,
        teacher_ckpt=tuning.model.get('teacher_ckpt'),
    )
    wrong = [
        f'{key} is {meta[key]!r}, expected {value!r}'
        for key, value in expected.items()
        if meta.get(key) is not None and value is not None
        if Path(str(meta[key])).name != Path(str(value)).name
    ]
    if wrong:
        raise UsageError(
            f'the prompts in {path!r} were tuned for something else: '
            f'{"; ".join(wrong)}. Remove the file to tune them again, or give '
            'another --work-dir or prompt_ckpt'
        )
    return meta.get('iter', 0) >= meta.get('max_iters', 0)


def tuning_config(cfg: Config, prompts: Prompts) -> Config:
    """The config of stage 1 that belongs to that of stage 2.

    Teacher, layer, preset and data are those of stage 2. ``stage_1`` in the
    config overrides: ``max_iters``, ``lr``, and any key of a config.

    Args:
        cfg (Config): The config of stage 2, with ``work_dir``.
        prompts (Prompts): What it needs, with ``prompt_ckpt``.

    Returns:
        Config: The config of stage 1.
    """
    changes = deepcopy(cfg.get('stage_1') or ConfigDict())
    max_iters = changes.pop('max_iters', MAX_ITERS)
    lr = changes.pop('lr', LR)
    tuning = deepcopy(cfg)
    for key in ('stage_1', 'auto_scale_lr', 'load_from', 'sync_bn'):
        tuning.pop(key, None)
    student, teacher = (
        model_config(cfg.model[part], part, cfg.get('data_preprocessor'))
        for part in ('architecture', 'teacher')
    )
    tuning.pop('data_preprocessor', None)
    tuning.work_dir = str(Path(cfg.work_dir) / 'stage_1')
    tuning.model = dict(
        type='mmfreekd.FrequencyPromptTuning',
        architecture=_with_batches(
            dotted_types(cfg.model.teacher), _batches_of(student, teacher)
        ),
        source=prompts.source,
        data_idx=prompts.data_idx,
        preset=prompts.preset,
        **{
            key: cfg.model[key]
            for key in ('teacher_ckpt', 'on_nonfinite')
            if key in cfg.model
        },
    )
    for key, value in _schedule(cfg, max_iters, lr).items():
        tuning[key] = value  # update() would merge them
    tuning.custom_hooks = [
        dict(
            type='mmfreekd.PromptCheckpointHook',
            filename=str(Path(prompts.owner['prompt_ckpt']).absolute()),
        )
    ]
    if 'visualizer' in tuning:  # mmengine keeps one per name and process
        tuning.visualizer.name = 'stage_1'
    if _without_task(cfg.model, teacher):
        tuning.model.task_loss = False
        if tuning.get('val_evaluator'):
            tuning.val_evaluator = dict(type='mmfreekd.EmbeddingError')
    else:
        _fit_labels(tuning, student, teacher)
    tuning.merge_from_dict(changes)
    return tuning


def _batches_of(student: Dict, teacher: Dict) -> Dict:
    """Batches as the student's, normalised as the teacher's."""
    own = dict(student.get('data_preprocessor') or {})
    given = dict(teacher.get('data_preprocessor') or {})
    if not own:
        return given
    for key in NORMALISATION:
        own.pop(key, None)
        if key in given:
            own[key] = given[key]
    return own


def _with_batches(teacher: Dict, data_preprocessor: Dict) -> Dict:
    if 'cfg_path' in teacher:  # changes of that config, merged into it
        data_preprocessor = dict(data_preprocessor, _delete_=True)
    return dict(teacher, data_preprocessor=data_preprocessor)


def _schedule(cfg: Config, max_iters: int, lr: float) -> Dict:
    """Loops, optimiser and hooks of stage 1."""
    amp = type_name(cfg.optim_wrapper) == 'AmpOptimWrapper'
    hooks = cfg.get('default_hooks') or {}
    interval = (hooks.get('logger') or {}).get('interval', 50)
    return dict(
        train_cfg=dict(
            type='IterBasedTrainLoop',
            max_iters=max_iters,
            val_interval=max_iters,
        ),
        optim_wrapper=dict(
            type='AmpOptimWrapper' if amp else 'OptimWrapper',
            optimizer=dict(type='Adam', lr=lr, weight_decay=1e-3),
        ),
        param_scheduler=[
            dict(
                type='CosineAnnealingLR',
                by_epoch=False,
                begin=0,
                end=max_iters,
                eta_min=min(1e-6, lr),
            )
        ],
        default_hooks=dict(
            hooks,
            logger=dict(
                type='LoggerHook',
                interval=interval,
                log_metric_by_epoch=False,
            ),
            checkpoint=dict(
                type='CheckpointHook',
                by_epoch=False,
                interval=max(1, max_iters // 4),
                max_keep_ckpts=2,
            ),
        ),
        log_processor=dict(cfg.get('log_processor') or {}, by_epoch=False),
    )


def _without_task(model: Dict, teacher: Dict) -> bool:
    """Whether there are no labels, or the teacher has no head for them."""
    return str(model.get('type')).endswith('FeatureDistill') or str(
        teacher.get('type')
    ).endswith('ImageEncoder')


def _fit_labels(tuning: Config, student: Dict, teacher: Dict) -> None:
    """Give the teacher the labels that its loss takes, or do without it."""
    own, given = num_classes(student), num_classes(teacher)
    if own is not None and given is not None and own != given:
        print_log(
            f'Stage 1: the teacher has {given} classes and the data {own}, so '
            "the prompts are tuned without the teacher's task loss "
            '(task_loss=False) and without validation',
            logger='current',
        )
        tuning.model.task_loss = False
        for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):
            tuning[key] = None
    elif 'mask_head' in (teacher.get('roi_head') or {}):
        _load_masks(tuning.get('train_dataloader'))


def _load_masks(part: object) -> None:
    """Switch on the masks in every ``LoadAnnotations`` of boxes."""
    if isinstance(part, (list, tuple)):
        for item in part:
            _load_masks(item)
    elif isinstance(part, dict):
        if part.get('with_bbox'):
            part['with_mask'] = True
        for item in part.values():
            _load_masks(item)


def num_classes(model: object) -> Optional[int]:
    """The classes of a model's head, by its config; None if unknown."""
    if isinstance(model, (list, tuple)):
        model = dict(enumerate(model))
    if not isinstance(model, dict):
        return None
    if isinstance(model.get('num_classes'), int):
        return model['num_classes']
    for key, part in model.items():
        if key not in ('backbone', 'rpn_head', 'data_preprocessor'):
            found = num_classes(part)
            if found is not None:
                return found
    return None
