"""What the evidence measures: tasks, methods and their configs."""

from functools import lru_cache
from pathlib import Path
from typing import List, Sequence

from experiment_runs import fingerprint, load
from mmengine.config import Config

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
UNTUNED = ('student', 'inherit')  # alone, or inheriting at most
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


def with_config(task: str, methods: Sequence[str]) -> List[str]:
    """The methods that a task has: not each makes sense for each."""
    return [m for m in methods if Path(config_of(task, m)).is_file()]


def teacher_checkpoint(task: str) -> str:
    """The file of a task's teacher."""
    return Config.fromfile(config_of(task, 'freekd')).model.teacher_ckpt
