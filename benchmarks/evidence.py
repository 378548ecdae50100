"""Measure FreeKD against what people would use instead; see protocol.md.

For each task: teacher and prompts are made; each method's loss weight is
chosen on the validation split; then every method trains the same student over
seeds, and is evaluated on the test split. Safe to interrupt: what is finished
is kept, and what is not goes on from its last checkpoint.
"""

import argparse
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional

from .configs import load
from .data.folders import fingerprint
from .evidence_table import evidence_tables
from .loss_weights import LossWeights, weight_options
from .methods import CANDIDATES
from .pool import Job, add_workers, run_jobs
from .prerequisites import make_prerequisites
from .rows import Results, made_by
from .runs import run_config, test_checkpoint
from .tasks import (
    DISTILLED,
    FOLDER,
    REAL,
    TASKS,
    UNTUNED,
    config_of,
    fingerprint_of,
    options_of,
    teacher_checkpoint,
    with_config,
)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure FreeKD against other distillation methods',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        '--tasks', nargs='+', choices=TASKS, default=list(REAL)
    )
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=(*UNTUNED, *DISTILLED),
        default=[m for m in (*UNTUNED, *DISTILLED) if m not in CANDIDATES],
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='*',
        default=[0, 1, 2],
        help='none: loss weights are chosen, and the test split is left alone',
    )
    parser.add_argument(
        '--results',
        default='benchmarks/results',
        help='folder of the rows and the table',
    )
    add_workers(parser)
    return parser.parse_args(args)


@lru_cache(maxsize=None)
def data_fingerprint(task: str) -> str:
    """What tells whether a task's data have changed."""
    return fingerprint(Path(load(config_of(task, 'teacher'), {}, 0).data_root))


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

    def pairs(self, methods) -> list:
        """Tasks and their methods, of those that are given."""
        return [
            (task, method)
            for task in self.args.tasks
            for method in with_config(task, methods)
            if method in self.args.methods
        ]

    def run(self) -> None:
        """Do what has not been done yet."""
        workers = self.args.workers
        distilled = self.pairs(DISTILLED)
        needed = [(config_of(*p), options_of(*p)) for p in distilled]
        make_prerequisites(needed, workers)
        teachers = [self._teacher_job(task) for task in self.args.tasks]
        untuned = self.student_jobs(UNTUNED, self.args.seeds[:1])
        run_jobs([job for job in teachers + untuned if job], workers)
        self.weights.choose(distilled, workers)
        jobs = self.student_jobs((*UNTUNED, *DISTILLED), self.args.seeds)
        run_jobs([job for job in jobs if job], workers)

    def student_jobs(self, methods, seeds) -> List[Optional[Job]]:
        """Every method with its best weight, seed by seed."""
        return [
            self._student_job(task, method, seed)
            for seed in seeds
            for task, method in self.pairs(methods)
        ]

    def _teacher_job(self, task: str) -> Optional[Job]:
        return self._measured(
            dict(task=task, method='teacher', seed=0),
            None,
            test_checkpoint,
            checkpoint=teacher_checkpoint(task),
            work_dir=str(FOLDER / f'{task}_teacher'),
        )

    def _student_job(self, task: str, method: str, seed: int) -> Optional[Job]:
        weight, options = None, options_of(task, method)
        name = f'{task}_{method}_seed_{seed}_{fingerprint_of(task, method)}'
        if method in DISTILLED:
            weight = self.weights.best(task, method)
            options = {**options, **weight_options(task, method, weight)}
            name = f'{name}_{weight:g}'
        return self._measured(
            dict(task=task, method=method, seed=seed),
            weight,
            run_config,
            options=options,
            seed=seed,
            work_dir=str(FOLDER / name),
            keep='student',
        )

    def _measured(
        self, key: dict, weight: Optional[float], function, **arguments
    ) -> Optional[Job]:
        """The job of a row on the test split, None if it is there."""
        task, method = key['task'], key['method']
        what = dict(weight=weight, fingerprint=fingerprint_of(task, method))
        if self.rows.find(**key, **what, corrupted=False) is not None:
            return None
        config = config_of(task, method)

        def done(metrics: Dict[str, float]) -> None:
            values = {k: round(v, 3) for k, v in metrics.items()}
            clean, corrupted = (
                values.pop('test'),
                values.pop('test_corrupted', None),
            )
            rows = [(clean, False, values)]
            if corrupted is not None:
                # the clean row last: it says that both are there
                rows.insert(0, (corrupted, True, {}))
            for value, is_corrupted, more in rows:
                self.rows.put(
                    dict(key, corrupted=is_corrupted),
                    metric='mIoU' if task.startswith('seg') else 'AP',
                    value=value,
                    **more,
                    **what,
                    data=data_fingerprint(task),
                    **self.origin,
                )

        splits = list(load(config, {}, 0).splits)
        title = '{task} {method}, seed {seed}'.format(**key)
        arguments.update(config=config, splits=splits)
        return Job(title, function, arguments, done)


def main() -> None:
    args = parse_args()
    evidence = Evidence(args)
    evidence.run()
    text = evidence_tables(evidence.rows.rows)
    Path(args.results, 'evidence.md').write_text(text)
    print(text)


if __name__ == '__main__':
    main()
