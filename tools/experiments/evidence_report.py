"""Write the report of the evidence: its tables, curves and predictions.

The rows of the results are enough for the tables. The pictures need runs that
evidence.py has kept, those of its lowest seed; --train makes the missing ones.
"""

import argparse
from pathlib import Path
from typing import Dict, List

from evidence_table import NAMES, evidence_tables
from evidence_tasks import FOLDER, TASKS, config_of
from experiment_runs import load, run_config  # before what is in tools
from pool import Job, add_workers, run_jobs
from prerequisites import make_prerequisites
from reporting.figures import draw_curves, draw_predictions
from reporting.panels import MIN_SCORE, Panels
from rows import Results
from student_runs import SHOWN, checkpoint_of, shown_rows, student_run

IMAGES = (0, 1, 2, 3)  # of the test split
REPORT = FOLDER / 'report'


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the report of evidence.py again',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--results', default='results', help='its folder')
    parser.add_argument(
        '--seed', type=int, default=0, help='of the runs in the pictures'
    )
    parser.add_argument(
        '--train',
        nargs='+',
        choices=TASKS,
        default=[],
        help='train what the pictures of these tasks lack; rows stay',
    )
    add_workers(parser)
    return parser.parse_args(args)


def train(rows: Results, task: str, seed: int, workers: int) -> None:
    """Train what a task's pictures lack, with the weights of its rows."""
    make_prerequisites([config_of(task, m) for m in SHOWN], workers)
    jobs = []
    for method, row in shown_rows(rows, task, seed).items():
        if method != 'teacher' and not checkpoint_of(row).is_file():
            run = student_run(task, method, seed, row['weight'])
            run.update(splits=['test'], keep='student')
            jobs.append(Job(f'{task} {method}, seed {seed}', run_config, run))
    run_jobs(jobs, workers)


def write_report(rows: Results, seed: int) -> Path:
    """Write the report.

    Args:
        rows (Results): All rows.
        seed (int): The seed of the runs in the pictures.

    Returns:
        Path: ``report.md``, beside its pictures.
    """
    REPORT.mkdir(parents=True, exist_ok=True)
    parts = ['# FreeKD against other methods\n\n']
    for task in TASKS:
        of_task = [row for row in rows.rows if row['task'] == task]
        if of_task:
            parts.append(evidence_tables(of_task))
            parts += [f'{line}\n\n' for line in pictures(rows, task, seed)]
    report = REPORT / 'report.md'
    report.write_text(''.join(parts))
    return report


def pictures(rows: Results, task: str, seed: int) -> List[str]:
    """Draw the pictures of a task.

    Returns:
        list[str]: How the report shows them, and what they lack.
    """
    measured = shown_rows(rows, task, seed)
    kept = {m: r for m, r in measured.items() if checkpoint_of(r).is_file()}
    lines = what_lacks(rows, task, seed, measured, kept)
    if not kept.keys() & set(SHOWN):
        return lines
    predictions, curves = f'predictions_{task}.png', f'curves_{task}.png'
    draw_pictures(task, kept, REPORT / predictions, REPORT / curves)
    sure = ''
    if task.startswith('det'):
        share = f'{100 * MIN_SCORE:.0f} %'
        sure = f' Boxes are drawn where a model is at least {share} sure.'
    return [
        *lines,
        f'Test images and students of seed {seed}; above them what each '
        f'reaches on the whole test split.{sure}',
        f'![Ground truth and predictions]({predictions})',
        'The trainings of these students; the metric is that on the '
        'validation split.',
        f'![Curves]({curves})',
    ]


def what_lacks(
    rows: Results, task: str, seed: int, measured: dict, kept: dict
) -> List[str]:
    """Which models are not in the pictures, and what would mend it."""
    folder = rows.path.parent
    unknown = [NAMES[m] for m in (*SHOWN, 'teacher') if m not in measured]
    away = [NAMES[m] for m in measured if m not in kept]
    lines = []
    if unknown:
        lines.append(
            f'Not in the pictures: {"; ".join(unknown)}. There is no row of '
            f'seed {seed} and of the configs as they are. To measure it:\n'
            f'`python tools/experiments/evidence.py --tasks {task} '
            f'--seeds {seed} --results {folder}`'
        )
    if away:
        lines.append(
            f'Not in the pictures: {"; ".join(away)}. The rows are there, but '
            'not the models, which stay where they were trained. To train '
            'them here:\n'
            f'`python tools/experiments/evidence_report.py --train {task} '
            f'--seed {seed} --results {folder}`'
        )
    return lines


def draw_pictures(
    task: str, kept: Dict[str, dict], predictions: Path, curves: Path
) -> None:
    """Draw what the models of rows predict, and how they were trained."""
    student = load(config_of(task, 'student'), {}, 0)
    student.merge_from_dict(student.splits['test'])
    models = [
        (
            config_of(task, 'teacher' if method == 'teacher' else 'student'),
            str(checkpoint_of(row)),
        )
        for method, row in kept.items()
    ]
    panels = Panels(
        student.default_scope, models, student.val_dataloader.dataset
    )
    titles = [
        f'{NAMES[method]}\n{row["metric"]} {row["value"]:.1f}'
        for method, row in kept.items()
    ]
    draw_predictions(panels, ['ground truth', *titles], IMAGES, predictions)
    trainings = {
        NAMES[method]: checkpoint_of(row).parent
        for method, row in kept.items()
        if method != 'teacher'
    }
    draw_curves(trainings, curves)


def main() -> None:
    args = parse_args()
    rows = Results(f'{args.results}/evidence.json')
    for task in args.train:
        train(rows, task, args.seed, args.workers)
    print(write_report(rows, args.seed))


if __name__ == '__main__':
    main()
