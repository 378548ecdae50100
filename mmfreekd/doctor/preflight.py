"""A dry run of a config: everything that is wrong with it, at once."""

import copy
from importlib import import_module
from typing import Any, List, Optional

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope, init_default_scope
from torch import Tensor, nn

from ..checkpoints import read_checkpoint
from ..checkpoints.stage_1 import stage_1_command
from ..errors import UsageError
from ..models.algorithms import FreeKDDistill, FrequencyPromptTuning
from ..models.inheritance import start_from
from ..models.sources import find_source
from ..models.zoo import build_model, load_teacher, refuse_random_teacher
from ..registry import MODELS
from .batches import random_batch
from .configs import missing_data
from .report import Report, Row

# the recorders whose source is a layer
OF_LAYERS = ('ModuleOutputs', 'ModuleInputs', 'TokenMaps')


def examine_config(cfg: Config) -> Report:
    """Try everything that training would do before its first step.

    Args:
        cfg (Config): The config.

    Returns:
        Report: All problems; and where the models can be built, the table of
        losses, the trainable parameters and the memory of a step.
    """
    report = Report()
    report.problems += missing_data(cfg)
    scope = cfg.get('default_scope') or 'mmengine'
    init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        if scope != 'mmengine':
            import_module(f'{scope}.models')
        if cfg.get('load_from'):
            with report.attempt('load_from'):
                read_checkpoint(cfg.load_from, 'load_from')
        data = cfg.get('data_preprocessor')
        if data is not None:
            cfg.model.setdefault('data_preprocessor', data)
        before = len(report.problems)
        _examine_parts(copy.deepcopy(cfg.model), report)
        if len(report.problems) == before:
            with report.attempt('model'):
                _examine_step(MODELS.build(cfg.model), cfg, report)
    return report


def _examine_parts(cfg: dict, report: Report) -> None:
    """Build each part of a model by itself: one fault does not hide others."""
    student = teacher = None
    if 'architecture' in cfg:
        with report.attempt('model.architecture'):
            student = build_model(cfg.architecture, 'architecture')
    if student is not None and cfg.get('student_ckpt'):
        with report.attempt('model.student_ckpt'):
            start_from(student, cfg.student_ckpt)
    tuning = str(cfg.get('type', '')).endswith('FrequencyPromptTuning')
    if tuning:
        student, teacher = None, student
    elif 'teacher' in cfg:
        with report.attempt('model.teacher'):
            teacher = build_model(cfg.teacher, 'teacher')
    if teacher is not None:
        with report.attempt('model.teacher_ckpt'):
            built = load_teacher(teacher, cfg.get('teacher_ckpt'), False)
            refuse_random_teacher(built)
    if tuning and teacher is not None:
        with report.attempt('model.source'):
            find_source(teacher, cfg.get('source', 'neck'), 'teacher')
    if cfg.get('distiller'):
        _examine_distiller(cfg.distiller, student, teacher, report)


def _examine_distiller(
    cfg: dict,
    student: Optional[BaseModel],
    teacher: Optional[BaseModel],
    report: Report,
) -> None:
    for kind in ('connectors', 'distill_losses'):
        for name, part in (cfg.get(kind) or {}).items():
            with report.attempt(f'{kind}.{name}'):
                if getattr(MODELS.build(part), 'untuned', False):
                    raise UsageError(
                        'there are no frequency prompts: set prompt_ckpt to '
                        f'what stage 1 writes, {stage_1_command()}; or set '
                        'num_prompts=0'
                    )
    for who, model in (('student', student), ('teacher', teacher)):
        for name, recorder in (cfg.get(f'{who}_recorders') or {}).items():
            if model is not None and recorder.type.endswith(OF_LAYERS):
                with report.attempt(f'{who}_recorders.{name}'):
                    find_source(model, recorder.source, who)


def _examine_step(model: BaseModel, cfg: Config, report: Report) -> None:
    """One step without an update: forward, losses, backward."""
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model.to(device).train()
    _fill_level_embeddings(model)
    before = _memory(device)
    batch = model.data_preprocessor(random_batch(model, cfg), True)
    losses = {}
    with report.attempt('the forward pass'):
        if isinstance(model, FreeKDDistill):
            losses = _examine_losses(model, batch, report)
        else:
            losses = model(**batch, mode='loss')
    if isinstance(model, FrequencyPromptTuning):
        loss = model.loss_dissimilarity
        report.rows.append(
            Row(
                model.source,
                ', '.join(_shape(masks[0]) for masks in model._masks),
                '-',
                f'loss_dissimilarity ({type(loss).__name__})',
                str(loss.loss_weight),
                _number(losses.get('loss_dissimilarity')),
            )
        )
    if losses and not report.problems:
        with report.attempt('the backward pass'):
            model.parse_losses(losses)[0].backward()
    report.facts += _parameters(model)
    size = 'x'.join(str(n) for n in batch['inputs'].shape)
    report.facts.append(
        f'memory of a step with a batch of {size} on {device}: '
        f'{(_memory(device) - before) / 2**20:.0f} MiB above what was taken '
        'before'
    )


def _fill_level_embeddings(model: BaseModel) -> None:
    """Give them values, which mmdet's DETRs leave to ``init_weights``.

    Those of a teacher are frozen, and loaded.
    """
    for name, parameter in model.named_parameters():
        if name.endswith('level_embed') and parameter.requires_grad:
            nn.init.normal_(parameter)


def _examine_losses(model: FreeKDDistill, batch: dict, report: Report) -> dict:
    """Each distillation loss by itself, and the row that it makes."""
    distiller = model.distiller
    compute = distiller.compute_distill_losses
    distiller.compute_distill_losses = dict  # features now, losses below
    try:
        losses = model(**batch, mode='loss')
    finally:
        distiller.compute_distill_losses = compute
    for name, mapping in distiller.loss_forward_mappings.items():
        value = None
        loss = distiller.distill_losses[name]
        with report.attempt(f'distill_losses.{name}'):
            value = loss(
                **{k: distiller.get_record(**r) for k, r in mapping.items()}
            )
            losses[f'distill.{name}'] = value
        with report.attempt(f'loss_forward_mappings.{name}'):
            report.rows.append(_row(distiller, name, mapping, value))
    return losses


def _row(distiller, name: str, mapping: dict, value: Optional[Tensor]) -> Row:
    layers, shapes = {}, {}
    for record in mapping.values():
        plain = {k: v for k, v in record.items() if 'connector' not in k}
        own = record['from_student']
        who = 'student' if own else 'teacher'
        recorders = getattr(distiller, f'{who}_recorders')
        layers[own] = recorders.get_recorder(record['recorder']).source
        shapes[own] = _shape(distiller.get_record(**plain))
    connectors = [r['connector'] for r in mapping.values() if 'connector' in r]
    loss = distiller.distill_losses[name]
    return Row(
        f'{layers.get(True, "-")} <- {layers.get(False, "-")}',
        f'{shapes.get(True, "-")} <- {shapes.get(False, "-")}',
        ', '.join(connectors) or '-',
        f'{name} ({type(loss).__name__})',
        str(getattr(loss, 'loss_weight', '-')),
        _number(value),
    )


def _shape(feature: Any) -> str:
    if isinstance(feature, Tensor):
        return 'x'.join(str(n) for n in feature.shape)
    if isinstance(feature, (list, tuple)):
        return ', '.join(_shape(level) for level in feature)
    return type(feature).__name__


def _number(value: Optional[Tensor]) -> str:
    return '-' if value is None else f'{float(value.detach().sum()):.4g}'


def _parameters(model: nn.Module) -> List[str]:
    facts = []
    for name, part in [('all', model), *model.named_children()]:
        count = sum(p.numel() for p in part.parameters())
        trained = sum(p.numel() for p in part.parameters() if p.requires_grad)
        if count:
            facts.append(f'{name}: {trained:,} of {count:,} parameters train')
    return facts


def _memory(device: str) -> int:
    """The most bytes that were taken so far."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
