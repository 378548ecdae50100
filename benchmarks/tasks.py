"""What the evidence measures: tasks, methods and their configs."""

from functools import lru_cache
from pathlib import Path
from typing import List, Sequence, Tuple

from mmengine.config import Config

from .configs import ROOT, fingerprint, load
from .methods import (
    ABLATIONS,
    CANDIDATES,
    CONTROLS,
    FREEKD,
    PLAIN,
    method_options,
)

REAL = {'seg-camvid': 'camvid', 'det-cells': 'cells'}
DRAWN = {
    'det-reppoints': 'reppoints',
    'det-retinanet': 'retinanet',
    'seg-pspnet': 'pspnet',
}
TASKS = (*REAL, *DRAWN)
UNTUNED = ('student', 'inherit')  # alone, or inheriting at most
DISTILLED = (*PLAIN, 'mgd', *[m for m in FREEKD if m != 'inherit'])
FOLDER = Path('work_dirs/evidence')  # of what the experiment leaves


def config_of(task: str, method: str) -> str:
    """The config of a method, or of the ``'student'`` or ``'teacher'``."""
    name = method if method in ('student', 'teacher') else 'distill'
    pair = {**REAL, **DRAWN}[task]
    return str(ROOT / 'benchmarks' / 'configs' / pair / f'{name}.py')


def options_of(task: str, method: str) -> dict:
    """What changes the config of a method into that of the method."""
    if method in ('student', 'teacher'):
        return {}
    return method_options(method, Config.fromfile(config_of(task, method)))


def run_of(name: str) -> Tuple[str, dict]:
    """Config and options of ``TASK:METHOD``, or of a config file.

    Raises:
        SystemExit: If there is no such task or method.
    """
    task, _, method = name.partition(':')
    if not method:
        return name, {}
    known = ['student', 'teacher', *methods_of(task)] if task in TASKS else []
    if method not in known:
        raise SystemExit(
            f'{name}: expected a config file, or TASK:METHOD with a task of '
            f'{", ".join(TASKS)}' + (f' and a method of {known}' * bool(known))
        )
    return config_of(task, method), options_of(task, method)


@lru_cache(maxsize=None)
def fingerprint_of(task: str, method: str) -> str:
    """What tells whether a config has changed since a row was made."""
    options = options_of(task, method)
    return fingerprint(load(config_of(task, method), options, 0))


def methods_of(task: str) -> List[str]:
    """Methods and ablations that make sense for a task."""
    cfg = Config.fromfile(config_of(task, 'distill'))
    losses = cfg.get('aids', {}).get('distiller', {}).get('distill_losses', {})
    lacks = {
        'inherit': 'inherit' not in cfg.model,
        'pkd_aided': 'aids' not in cfg,
        'no_boxes': 'loss_boxes' not in losses,
        'align_1x1': 'connectors' not in cfg.model.distiller,
        'spatial_mse': 'mse_weight' not in cfg,
        'freekd_plus': task in REAL,
        **dict.fromkeys((*CONTROLS, *CANDIDATES), task in DRAWN),
    }
    names = (*UNTUNED, *DISTILLED, *ABLATIONS)
    return [name for name in names if not lacks.get(name)]


def with_config(task: str, methods: Sequence[str]) -> List[str]:
    """Those of some methods that a task has."""
    known = methods_of(task)
    return [method for method in methods if method in known]


def teacher_checkpoint(task: str) -> str:
    """The file of a task's teacher."""
    return Config.fromfile(config_of(task, 'distill')).model.teacher_ckpt
