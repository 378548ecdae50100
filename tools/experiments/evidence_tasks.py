"""What the evidence measures: tasks, methods and their configs."""

from functools import lru_cache
from pathlib import Path
from typing import List

from experiment_runs import fingerprint, load

TASKS = {
    'det-reppoints': 'reppoints',
    'det-retinanet': 'retinanet',
    'seg-pspnet': 'pspnet',
}
DISTILLED = (
    'mse',
    'cwd',
    'pkd',
    'pkd_aided',
    'mgd',
    'fkd',
    'freekd_official',
    'freekd_paper',
    'freekd_plus',
    'freekd',
)
CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'experiments'
FOLDER = Path('work_dirs/evidence')  # of what the experiment leaves


def config_of(task: str, method: str) -> str:
    """The config of a method, or of the ``'student'`` or ``'teacher'``."""
    pair = TASKS[task]
    widths = dict(student=f'{pair}_r18w16', teacher=f'{pair}_r18w32')
    name = widths.get(method, f'{method}_{pair}')
    return str(CONFIGS / pair / f'{name}_textures.py')


@lru_cache(maxsize=None)
def fingerprint_of(task: str, method: str) -> str:
    """What tells whether a config has changed since a row was made."""
    return fingerprint(load(config_of(task, method), {}, 0))


def untuned(task: str) -> List[str]:
    """The students without distillation: alone, or inheriting at most."""
    return [
        method
        for method in ('student', 'inherit')
        if Path(config_of(task, method)).is_file()
    ]
