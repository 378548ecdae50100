"""The model of a dry run: its parts one by one, and what a step shows."""

import contextlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Optional

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS as MMENGINE_MODELS
from torch import Tensor, nn

from ..models.algorithms import FreeKDDistill, FrequencyPromptTuning
from ..models.inheritance import start_from
from ..models.sources import find_source
from ..models.zoo import build_model, load_teacher, refuse_random_teacher
from ..registry import MODELS
from .report import Report, Row

# the recorders whose source is a layer
OF_LAYERS = ('ModuleOutputs', 'ModuleInputs', 'TokenMaps')


def examine_model(cfg: Any, report: Report) -> Optional[BaseModel]:
    """Build each part by itself: one fault does not hide others.

    Args:
        cfg (dict): The config of a model.
        report (Report): Where problems go.

    Returns:
        BaseModel: What others may take for the model, if there is anything.
    """
    before = len(report.problems)
    cfg = deepcopy(cfg)
    given = cfg.get('data_preprocessor')
    student = teacher = None
    if 'architecture' in cfg:
        with report.attempt('model.architecture'):
            student = build_model(cfg['architecture'], 'architecture', given)
    standing = student
    if student is not None and cfg.get('student_ckpt'):
        with report.attempt('model.student_ckpt'):
            start_from(student, cfg['student_ckpt'])
    if str(cfg.get('type')).endswith('FrequencyPromptTuning'):
        student, teacher = None, student
    elif 'teacher' in cfg:
        with report.attempt('model.teacher'):
            teacher = build_model(cfg['teacher'], 'teacher')
    if teacher is not None:
        with report.attempt('model.teacher_ckpt'):
            ckpt = cfg.get('teacher_ckpt')
            refuse_random_teacher(load_teacher(teacher, ckpt, False))
    _examine_distiller(cfg, student, teacher, report)
    if len(report.problems) == before:  # then it is how they are combined
        with report.attempt('model'):
            MMENGINE_MODELS.build(cfg)
    return standing


def _examine_distiller(
    cfg: dict,
    student: Optional[BaseModel],
    teacher: Optional[BaseModel],
    report: Report,
) -> None:
    distiller = cfg.get('distiller') or {}
    for kind in ('connectors', 'distill_losses'):
        for name, part in (distiller.get(kind) or {}).items():
            if 'type' in part or not distiller.get('source'):
                with report.attempt(f'model.distiller.{kind}.{name}'):
                    MODELS.build(part)
    for who, model in (('student', student), ('teacher', teacher)):
        if model is None:
            continue
        layers = {
            f'distiller.{who}_recorders.{name}': recorder.get('source')
            for name, recorder in (
                distiller.get(f'{who}_recorders') or {}
            ).items()
            if str(recorder.get('type')).endswith(OF_LAYERS)
        }
        for key in (f'{who}_source', 'source'):
            layers[f'distiller.{key}'] = distiller.get(key)
        if who == 'teacher':
            layers['source'] = cfg.get('source')
        for key, source in layers.items():
            if source:
                with report.attempt(f'model.{key}'):
                    find_source(model, source, who)


def name_modules(model: nn.Module, report: Report) -> None:
    """Tell a report how the modules of a model are called in its config."""
    teacher = getattr(model, 'teacher', None)
    own = 'model'
    if isinstance(model, FreeKDDistill):
        own = 'model.architecture'
    if isinstance(teacher, nn.Module):
        who = (
            'architecture'
            if isinstance(model, FrequencyPromptTuning)
            else 'teacher'
        )
        for name, module in teacher.named_modules():
            report.modules[id(module)] = f'model.{who}.{name}'.rstrip('.')
    for name, module in model.named_modules():
        prefix = 'model' if name.startswith('distiller') else own
        if name:
            report.modules[id(module)] = f'{prefix}.{name}'


def describe_step(model: nn.Module, losses: dict, report: Report) -> None:
    """Add the rows of the losses of a step, and who trains.

    Args:
        model (nn.Module): Of any kind.
        losses (dict): What its ``train_step`` returned.
        report (Report): Where rows and facts go.
    """
    if isinstance(model, FrequencyPromptTuning):
        loss = model.loss_dissimilarity
        shapes = [shape(p.prompts) for p in model.prompts]
        row = Row(
            model.source,
            ', '.join(shapes),
            '-',
            f'loss_dissimilarity ({type(loss).__name__})',
            str(loss.loss_weight),
            _number(losses.get('loss_dissimilarity')),
        )
        report.rows += [row] * (row[:4] not in [r[:4] for r in report.rows])
    if isinstance(model, FreeKDDistill):
        for name, mapping in model.distiller.loss_forward_mappings.items():
            row = _row(model.distiller, name, mapping, losses)
            if row[3] not in [r[3] for r in report.rows]:
                report.rows.append(row)
    for name, part in [('all', model), *model.named_children()]:
        count = sum(p.numel() for p in part.parameters())
        trained = sum(p.numel() for p in part.parameters() if p.requires_grad)
        fact = (
            f'{report.stage}{name}: {trained:,} of {count:,} parameters train'
        )
        if count and fact not in report.facts:
            report.facts.append(fact)


def _row(distiller: Any, name: str, mapping: dict, losses: dict) -> Row:
    layers, shapes = {}, {}
    for record in mapping.values():
        plain = {k: v for k, v in record.items() if 'connector' not in k}
        own = record['from_student']
        recorders = getattr(
            distiller, f'{"student" if own else "teacher"}_recorders'
        )
        layers[own] = recorders.get_recorder(record['recorder']).source
        shapes[own] = shape(distiller.get_record(**plain))
    connectors = [r['connector'] for r in mapping.values() if 'connector' in r]
    loss = distiller.distill_losses[name]
    return Row(
        f'{layers.get(True, "-")} <- {layers.get(False, "-")}',
        f'{shapes.get(True, "-")} <- {shapes.get(False, "-")}',
        ', '.join(connectors) or '-',
        f'{name} ({type(loss).__name__})',
        str(getattr(loss, 'loss_weight', '-')),
        _number(losses.get(f'distill.{name}')),
    )


def shape(feature: Any) -> str:
    """``2x64x32x32``, or several of them."""
    if isinstance(feature, Tensor):
        return 'x'.join(str(n) for n in feature.shape)
    if isinstance(feature, (list, tuple)):
        return ', '.join(shape(level) for level in feature)
    return type(feature).__name__


def _number(value: Any) -> str:
    return '-' if value is None else f'{float(value):.4g}'


@contextlib.contextmanager
def measured_memory(images: int, report: Report) -> Iterator[None]:
    """Note the memory that is taken inside, the most at any time."""
    before = _memory()
    yield
    taken = (_memory() - before) / 2**20
    report.facts.append(
        f'{report.stage}memory of a step with {images} image(s): '
        f'{taken:.0f} MiB above what was taken before'
    )


def _memory() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
