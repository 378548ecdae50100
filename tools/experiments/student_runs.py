"""The students' runs in the evidence: arguments, folders, what is kept."""

from pathlib import Path
from typing import Dict, Optional

from evidence_tasks import (
    FOLDER,
    config_of,
    fingerprint_of,
    teacher_checkpoint,
)
from experiment_runs import STUDENT
from loss_weights import weight_options
from rows import Results

SHOWN = ('student', 'mse', 'pkd', 'freekd')  # in pictures


def student_run(
    task: str, method: str, seed: int, weight: Optional[float]
) -> dict:
    """Arguments of :func:`experiment_runs.run_config`.

    Args:
        task (str): The task.
        method (str): How the student is trained.
        seed (int): The seed.
        weight (float, optional): The weight of the method's loss. None for a
            student without distillation.

    Returns:
        dict: Config, options, seed and folder.
    """
    options = {}
    if weight is not None:
        options = weight_options(task, method, weight)
    return dict(
        config=config_of(task, method),
        options=options,
        seed=seed,
        work_dir=str(folder_of(task, method, seed, weight)),
    )


def folder_of(
    task: str, method: str, seed: int, weight: Optional[float]
) -> Path:
    """The folder of a run: with another config or weight, another one."""
    mark = fingerprint_of(task, method)
    name = f'{task}_{method}_seed_{seed}_{mark}'
    return FOLDER / (name if weight is None else f'{name}_{weight:g}')


def shown_rows(rows: Results, task: str, seed: int) -> Dict[str, dict]:
    """The rows of the runs to draw by their methods, teacher included.

    Those of configs that have changed since are left out.
    """
    found = {}
    for method in (*SHOWN, 'teacher'):
        found[method] = rows.find(
            task=task,
            method=method,
            seed=0 if method == 'teacher' else seed,
            fingerprint=fingerprint_of(task, method),
            corrupted=False,
        )
    return {method: row for method, row in found.items() if row is not None}


def checkpoint_of(row: dict) -> Path:
    """Where the model of a row lies, if it has been kept."""
    task, method = row['task'], row['method']
    if method == 'teacher':
        return Path(teacher_checkpoint(task))
    return folder_of(task, method, row['seed'], row['weight']) / STUDENT
