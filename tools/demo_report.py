"""The table and the pictures that the demo ends with."""

import warnings
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
from demo_steps import Step
from demo_tasks import (
    DEMO_DIR,
    SEEDS,
    TASKS,
    Task,
    exported_student,
    steps_of,
)
from mmengine.config import Config
from reporting.figures import draw_curves, draw_predictions
from reporting.panels import MIN_SCORE, Panels

IMAGES = (3, 20, 30, 50)  # of the validation set
COLUMNS = 'ground truth', 'student alone', 'FreeKD student', 'teacher'


def results(task: Task) -> Dict[str, Step]:
    """The finished steps of a task by the names of their folders."""
    steps = {step.folder.name: step for step in steps_of(task)}
    for step in steps.values():
        if not step.is_done():
            raise RuntimeError(f'{task.name}: {step.title} is not done')
    return steps


def rows_of(task: Task) -> List[List[str]]:
    """The rows of a task in the table."""
    steps = results(task)

    def seeds(name: str) -> List[float]:
        return [steps[f'{name}_seed{seed}'].value for seed in SEEDS]

    alone, freekd = seeds('student'), seeds('freekd')
    exported = seeds('exported')
    rows = [
        ['teacher', [steps['teacher'].value]],
        ['teacher with its prompts (stage 1)', [steps['prompt'].value]],
        ['student alone', alone],
        ['student with FreeKD (stage 2)', freekd],
        [f'the same, exported, under stock {task.host}', exported],
    ]
    return [
        [
            task.title,
            title,
            *(f'{v:.1f}' for v in values),
            *([''] * (len(SEEDS) - len(values))),
            f'{np.mean(values):.1f}'
            + (f' ± {np.std(values, ddof=1):.1f}' if values[1:] else ''),
        ]
        for title, values in rows
    ]


def verdict(task: Task) -> str:
    """What the numbers of a task say, in words."""
    steps = results(task)
    alone, freekd, exported = (
        np.array([steps[f'{name}_seed{seed}'].value for seed in SEEDS])
        for name in ('student', 'freekd', 'exported')
    )
    gain = (freekd - alone).mean()
    between = max(np.ptp(alone), np.ptp(freekd))
    gap = steps['teacher'].value - alone.mean()
    first, last = steps['prompt'].result['mask_overlap']
    return (
        f'- {task.title}: FreeKD gives {gain:+.1f} {task.unit}, '
        f'{100 * gain / gap:.0f} % of the gap between student and teacher; '
        f'two seeds differ by up to {between:.1f}. '
        + (
            'It is ahead by more than that.'
            if gain > between
            else 'That is NOT more than the seeds differ.'
        )
        + f' Stage 1 took the overlap of the masks from {first:.3f} to '
        f'{last:.3f}. Exported and inside the distiller: '
        + (
            'the same to the last digit.'
            if np.array_equal(freekd, exported)
            else f'they DIFFER, {freekd.tolist()} and {exported.tolist()}.'
        )
    )


def table(rows: List[List[str]]) -> str:
    """Rows as a Markdown table with even columns."""
    head = ['pair', 'model', *(f'seed {s}' for s in SEEDS), 'mean ± deviation']
    widths = [
        max(len(row[i]) for row in [head, *rows]) for i in range(len(head))
    ]

    def line(cells: List[str]) -> str:
        return (
            '| '
            + ' | '.join(
                cell.ljust(w) if i < 2 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(cells, widths))
            )
            + ' |'
        )

    rule = [
        '-' * w if i < 2 else '-' * (w - 1) + ':' for i, w in enumerate(widths)
    ]
    return '\n'.join([line(head), line(rule), *map(line, rows)])


def write_report() -> str:
    """Write ``report.md`` and ``report.png``.

    Returns:
        str: The table and the verdicts, for the terminal.
    """
    warnings.simplefilter('ignore')
    rows = [row for task in TASKS.values() for row in rows_of(task)]
    text = '\n'.join(
        [
            '# FreeKD demo',
            '',
            'AP (COCO, 0.50:0.95) and mIoU in percent, on the validation '
            'images.',
            '',
            table(rows),
            '',
            *map(verdict, TASKS.values()),
        ]
    )
    report = DEMO_DIR / 'report.md'
    report.write_text(
        '\n'.join([text, '', *(pictures(task) for task in TASKS.values())])
    )
    return f'\n{text}\n\nThis report with pictures: {report}'


def pictures(task: Task) -> str:
    """Draw the pictures of a task.

    Returns:
        str: How the report shows them.
    """
    predictions = f'predictions_{task.name}.png'
    models = shown_models(task)
    dataset = Config.fromfile(models[0][0]).val_dataloader.dataset
    panels = Panels(task.host, models, dataset)
    draw_predictions(panels, COLUMNS, IMAGES, DEMO_DIR / predictions)
    curves = f'curves_{task.name}.png'
    draw_curves(trainings(task), DEMO_DIR / curves)
    return '\n'.join(
        [
            f'## {task.title}',
            '',
            'Validation images; students of seed 0, and of boxes those that '
            f'are at least {100 * MIN_SCORE:.0f} % sure.',
            '',
            f'![Ground truth and predictions]({predictions})',
            '',
            'The trainings of the students.',
            '',
            f'![Curves]({curves})',
            '',
        ]
    )


def shown_models(task: Task) -> List[Tuple[str, str]]:
    """Config and checkpoint of student alone, with FreeKD, and teacher."""
    steps = results(task)
    alone, teacher = (
        (steps[name].folder / 'last_checkpoint').read_text()
        for name in ('student_seed0', 'teacher')
    )
    freekd = str(exported_student(task, steps['freekd_seed0']))
    return [
        (f'configs/demo/{config}.py', checkpoint)
        for config, checkpoint in (
            (task.student, alone),
            (task.student, freekd),
            (task.teacher, teacher),
        )
    ]


def trainings(task: Task) -> Dict[str, Path]:
    """The folders of the students' trainings by what the picture says."""
    return {
        f'{title}, seed {seed}': DEMO_DIR / task.name / f'{name}_seed{seed}'
        for name, title in (('student', 'student alone'), ('freekd', 'FreeKD'))
        for seed in SEEDS
    }
