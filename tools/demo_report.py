"""The table and the pictures that the demo ends with."""

import sys
import warnings
from pathlib import Path
from typing import Dict, List

import numpy as np
from demo_pictures import MIN_SCORE, Panels
from demo_steps import DEMO_DIR, SEEDS, TASKS, Step, Task, steps_of

sys.path.insert(0, str(Path(__file__).parent / 'analysis'))
import plot_runs  # noqa: E402

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
    draw_predictions(task, DEMO_DIR / predictions)
    curves = f'curves_{task.name}.png'
    draw_curves(task, DEMO_DIR / curves)
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


def draw_predictions(task: Task, path: Path) -> None:
    """Draw ground truth and predictions on some validation images."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = Panels(task, results(task))
    figure = Figure(
        layout='constrained', figsize=(2.4 * len(COLUMNS), 2.4 * len(IMAGES))
    )
    axes = figure.subplots(len(IMAGES), len(COLUMNS))
    for line, index in zip(axes, IMAGES):
        for ax, image in zip(line, shown.draw(index)):
            ax.imshow(image)
            ax.set(xticks=[], yticks=[])
    for ax, title in zip(axes[0], COLUMNS):
        ax.set_title(title, fontsize=12)
    patches = [
        Patch(color=colour / 255, label=name)
        for name, colour in shown.colours().items()
    ]
    figure.legend(
        handles=patches, loc='outside lower center', ncols=6, fontsize=11
    )
    figure.savefig(path, dpi=100)


def draw_curves(task: Task, path: Path) -> None:
    """Draw what the log tells of the students' trainings."""
    runs = {
        f'{title}, seed {seed}': plot_runs.read_run(
            str(DEMO_DIR / task.name / f'{name}_seed{seed}')
        )
        for name, title in (('student', 'student alone'), ('freekd', 'FreeKD'))
        for seed in SEEDS
    }
    keys = [
        key
        for key in plot_runs.choose_keys(list(runs.values()))
        if any(len(curves.get(key, ())) > 1 for curves in runs.values())
    ]
    plot_runs.draw(runs, keys, (3.4, 2.3)).savefig(path, dpi=80)
