"""What the evidence measures: tasks, methods and their configs."""

from functools import lru_cache
from pathlib import Path
from typing import List, Sequence

from mmengine.config import Config

from .methods import FREEKD, PLAIN, method_options
from .runs import ROOT, fingerprint, load

REAL = {'seg-camvid': 'camvid', 'det-cells': 'cells'}
DRAWN = {
    'det-reppoints': 'reppoints',
    'det-retinanet': 'retinanet',
    'seg-pspnet': 'pspnet',
}
TASKS = (*REAL, *DRAWN)
UNTUNED = ('student', 'inherit')  # alone, or inheriting at most
DISTILLED = (
    *PLAIN,
    'pkd_aided',
    'mgd',
    'freekd_plus',
    *[method for method in FREEKD if method != 'inherit'],
)
FOLDER = Path('work_dirs/evidence')  # of what the experiment leaves


def config_of(task: str, method: str) -> str:
    """The config of a method, or of the ``'student'`` or ``'teacher'``."""
    alone = method in ('student', 'teacher')
    if task in REAL:
        name = method if alone else 'distill'
        return str(ROOT / 'benchmarks/configs' / REAL[task] / f'{name}.py')
    pair = DRAWN[task]
    widths = dict(student=f'{pair}_r18w16', teacher=f'{pair}_r18w32')
    name = widths.get(method, f'{method}_{pair}')
    return str(ROOT / 'configs/experiments' / pair / f'{name}_textures.py')


def options_of(task: str, method: str) -> dict:
    """What changes the config of a method into that of the method."""
    if task in DRAWN or method in ('student', 'teacher'):
        return {}
    distiller = Config.fromfile(config_of(task, method)).model.distiller
    return method_options(method, distiller)


@lru_cache(maxsize=None)
def fingerprint_of(task: str, method: str) -> str:
    """What tells whether a config has changed since a row was made."""
    options = options_of(task, method)
    return fingerprint(load(config_of(task, method), options, 0))


def with_config(task: str, methods: Sequence[str]) -> List[str]:
    """The methods that a task has: not each makes sense for each."""
    if task in DRAWN:
        return [m for m in methods if Path(config_of(task, m)).is_file()]
    known = {'student', 'mgd', *PLAIN, *FREEKD}
    if task == 'seg-camvid':
        known.remove('inherit')  # head and backbone have other shapes there
    return [m for m in methods if m in known]


def teacher_checkpoint(task: str) -> str:
    """The file of a task's teacher."""
    return Config.fromfile(config_of(task, 'freekd')).model.teacher_ckpt
