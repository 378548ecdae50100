"""The table and the picture that the demo ends with."""

import warnings
from pathlib import Path
from typing import Dict, List

import numpy as np
from demo_steps import DEMO_DIR, SEEDS, TASKS, Step, Task, steps_of

IMAGES = (3, 11, 20, 42)  # of the validation set


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
            f'{np.mean(values):.1f}',
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
    head = ['pair', 'model', *(f'seed {s}' for s in SEEDS), 'mean']
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
    picture = DEMO_DIR / 'report.png'
    draw_picture(picture)
    report = DEMO_DIR / 'report.md'
    report.write_text(
        f'{text}\n\n![Ground truth and predictions]({picture.name})\n\n'
        'From left to right: ground truth, student alone, student with '
        'FreeKD, teacher (seed 0).\n'
    )
    return f'\n{text}\n\nThis report with a picture: {report}'


def draw_picture(path: Path) -> None:
    """Draw ground truth and predictions on some validation images."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt
    from demo_pictures import panels

    columns = ['ground truth', 'student alone', 'FreeKD student', 'teacher']
    tasks = list(TASKS.values())
    figure, axes = plt.subplots(
        len(IMAGES),
        len(columns) * len(tasks),
        layout='constrained',
        figsize=(2 * len(columns) * len(tasks), 2.1 * len(IMAGES)),
    )
    for i, task in enumerate(tasks):
        block = axes[:, i * len(columns) : (i + 1) * len(columns)]
        for row, images in zip(block, panels(task, results(task), IMAGES)):
            for ax, image in zip(row, images):
                ax.imshow(image)
                ax.axis('off')
        for ax, title in zip(block[0], columns):
            ax.set_title(f'{title}\n({task.name})', fontsize=9)
    figure.savefig(path, dpi=100)
    plt.close(figure)
