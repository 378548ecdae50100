"""Measure FreeKD against what people would use instead.

For each task: the data, a teacher and its prompts are made; each method's
loss weight is chosen on the validation split; then every method trains the
same student over seeds, and is evaluated on the test split, clean and
corrupted. Safe to interrupt: finished runs are kept. Ends with tables and,
see evidence_report.py, with pictures.
"""

import argparse
from pathlib import Path
from typing import Dict, List, Optional

from evidence_report import write_report
from evidence_table import evidence_tables
from evidence_tasks import (
    DISTILLED,
    FOLDER,
    TASKS,
    UNTUNED,
    config_of,
    fingerprint_of,
    teacher_checkpoint,
    with_config,
)
from experiment_runs import run_config, test_checkpoint
from loss_weights import LossWeights
from pool import Job, add_workers, run_jobs
from prerequisites import make_prerequisites
from rows import Results, made_by
from student_runs import SHOWN, student_run

SPLITS = ['test', 'test_corrupted']


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure FreeKD against other distillation methods',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        '--tasks', nargs='+', choices=TASKS, default=list(TASKS)
    )
    parser.add_argument(
        '--methods', nargs='+', choices=DISTILLED, default=list(DISTILLED)
    )
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4]
    )
    parser.add_argument(
        '--results', default='results', help='folder of the rows and the table'
    )
    add_workers(parser)
    return parser.parse_args(args)


class Evidence:
    """The runs of the experiment and their results.

    Args:
        args (argparse.Namespace): The command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.origin = made_by()
        self.rows = Results(f'{args.results}/evidence.json')
        trials = Results(f'{args.results}/tuning.json')
        self.weights = LossWeights(trials, self.origin)
        self.pairs = [
            (task, method)
            for task in args.tasks
            for method in with_config(task, args.methods)
        ]

    def run(self) -> None:
        """Do what has not been done yet."""
        workers = self.args.workers
        configs = [config_of(t, m) for t, m in self.pairs]
        make_prerequisites(configs, workers)
        self.weights.choose(self.pairs, workers)
        run_jobs(self.final_jobs(), workers)

    def final_jobs(self) -> List[Job]:
        """Teacher, student alone and every method with its best weight."""
        jobs = [self._teacher_job(task) for task in self.args.tasks]
        for seed in self.args.seeds:
            for task in self.args.tasks:
                methods = (*UNTUNED, *self.args.methods)
                for method in with_config(task, methods):
                    jobs.append(self._student_job(task, method, seed))
        return [job for job in jobs if job is not None]

    def _teacher_job(self, task: str) -> Optional[Job]:
        return self._measured(
            dict(task=task, method='teacher', seed=0),
            None,
            test_checkpoint,
            config=config_of(task, 'teacher'),
            checkpoint=teacher_checkpoint(task),
            work_dir=str(FOLDER / f'{task}_teacher'),
        )

    def _student_job(self, task: str, method: str, seed: int) -> Optional[Job]:
        weight = None
        if method in DISTILLED:
            weight = self.weights.best(task, method)
        shown = method in SHOWN and seed == min(self.args.seeds)
        return self._measured(
            dict(task=task, method=method, seed=seed),
            weight,
            run_config,
            **student_run(task, method, seed, weight),
            keep='student' if shown else 'nothing',
        )

    def _measured(
        self, key: dict, weight: Optional[float], function, **arguments
    ) -> Optional[Job]:
        """The job of a row on the test split, None if it is there."""
        mark = fingerprint_of(key['task'], key['method'])
        what = dict(weight=weight, fingerprint=mark)
        if self.rows.find(**key, **what, corrupted=False) is not None:
            return None

        def done(metrics: Dict[str, float]) -> None:
            # the clean row last: it says that both are there
            for split, value in reversed(metrics.items()):
                self.rows.put(
                    dict(key, corrupted=split == 'test_corrupted'),
                    metric='mIoU' if key['task'] == 'seg-pspnet' else 'AP',
                    value=round(value, 3),
                    **what,
                    **self.origin,
                )

        arguments['splits'] = SPLITS
        title = '{task} {method}, seed {seed}'.format(**key)
        return Job(title, function, arguments, done)


def main() -> None:
    args = parse_args()
    evidence = Evidence(args)
    evidence.run()
    text = evidence_tables(evidence.rows.rows)
    Path(args.results, 'evidence.md').write_text(text)
    print(text)
    print(f'With pictures: {write_report(evidence.rows, min(args.seeds))}')


if __name__ == '__main__':
    main()
