"""Measure FreeKD against what people would use instead.

For each task: the data, a teacher and its prompts are made; each method's
loss weight is chosen on the validation split; then every method trains the
same student over seeds, and is evaluated on the test split, clean and
corrupted. Safe to interrupt: finished runs are kept.
"""

import argparse
import os
from functools import lru_cache
from pathlib import Path
from typing import Dict, List

from evidence_table import evidence_tables
from experiment_runs import (
    fingerprint,
    load,
    loss_ratio,
    run_config,
    test_checkpoint,
)
from mmengine.config import Config
from pool import Job, run_jobs
from prerequisites import make_prerequisites, needed_files
from rows import Results, made_by

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
SHARES = (2.0, 6.0, 18.0, 54.0)  # distillation / task loss at the start
TUNING_SEED = 100
TUNING_LENGTH = 0.3  # of a training, to choose a weight
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
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='runs at a time, one core each',
    )
    return parser.parse_args(args)


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


class Evidence:
    """The runs of the experiment and their results.

    Args:
        args (argparse.Namespace): The command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rows = Results(f'{args.results}/evidence.json')
        self.tuning = Results(f'{args.results}/tuning.json')
        self.origin = made_by()
        self.pairs = [(t, m) for t in args.tasks for m in args.methods]

    def run(self) -> None:
        """Do what has not been done yet."""
        workers = self.args.workers
        configs = [config_of(t, m) for t, m in self.pairs]
        make_prerequisites(configs, workers)
        run_jobs(self.balance_jobs(), workers)
        run_jobs(self.tuning_jobs(), workers)
        run_jobs(self.final_jobs(), workers)

    def balance_jobs(self) -> List[Job]:
        """Find the weight at which both losses are equal at the start."""
        jobs = []
        for task, method in self.pairs:
            key = self._tuning_key(task, method, weight=None)
            if self.tuning.find(**key) is None:
                jobs.append(
                    self._job(
                        loss_ratio,
                        f'{task} {method}, ratio of the losses',
                        lambda ratio, key=key: self.tuning.put(
                            key, value=1 / ratio, **self.origin
                        ),
                        config=config_of(task, method),
                        options={},
                        seed=TUNING_SEED,
                    )
                )
        return jobs

    def tuning_jobs(self) -> List[Job]:
        """Try the weights of every method, on the validation split."""
        jobs = []
        for task, method in self.pairs:
            for weight in self.weights(task, method):
                key = self._tuning_key(task, method, weight)
                if self.tuning.find(**key) is None:
                    jobs.append(
                        self._job(
                            run_config,
                            f'{task} {method}, weight {weight:.3g}',
                            lambda metrics, key=key: self.tuning.put(
                                key, value=metrics['val'], **self.origin
                            ),
                            config=config_of(task, method),
                            options={
                                **weight_options(task, method, weight),
                                **length_options(task, TUNING_LENGTH),
                            },
                            seed=TUNING_SEED,
                            splits=['val'],
                        )
                    )
        return jobs

    def final_jobs(self) -> List[Job]:
        """Teacher, student alone and every method with its best weight."""
        jobs = [self._teacher_job(task) for task in self.args.tasks]
        for seed in self.args.seeds:
            for task in self.args.tasks:
                for method in (*untuned(task), *self.args.methods):
                    jobs.append(self._final_job(task, method, seed))
        return [job for job in jobs if job is not None]

    def weights(self, task: str, method: str) -> List[float]:
        """The weights to try."""
        key = self._tuning_key(task, method, weight=None)
        balance = self.tuning.find(**key)['value']
        return [float(f'{balance * share:.3g}') for share in SHARES]

    def best_weight(self, task: str, method: str) -> float:
        """The weight with the best metric on the validation split."""
        values = {
            weight: self.tuning.find(**self._tuning_key(task, method, weight))
            for weight in self.weights(task, method)
        }
        return max(values, key=lambda weight: values[weight]['value'])

    def _tuning_key(self, task: str, method: str, weight) -> dict:
        return dict(
            task=task,
            method=method,
            fingerprint=fingerprint_of(task, method),
            seed=TUNING_SEED,
            weight=weight,
        )

    def _teacher_job(self, task: str):
        student = Config.fromfile(config_of(task, self.args.methods[0]))
        checkpoint = needed_files(student.model.to_dict())[0]
        return self._measured(
            dict(task=task, method='teacher', seed=0),
            None,
            test_checkpoint,
            checkpoint=checkpoint,
        )

    def _final_job(self, task: str, method: str, seed: int):
        weight, options = None, {}
        if method in DISTILLED:
            weight = self.best_weight(task, method)
            options = weight_options(task, method, weight)
        return self._measured(
            dict(task=task, method=method, seed=seed),
            weight,
            run_config,
            options=options,
            seed=seed,
        )

    def _measured(self, key: dict, weight, function, **arguments):
        """The job of a row on the test split, None if it is there."""
        config = config_of(key['task'], key['method'])
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

        return self._job(
            function,
            '{task} {method}, seed {seed}'.format(**key),
            done,
            config=config,
            splits=SPLITS,
            **arguments,
        )

    def _job(self, function, title, done, **arguments) -> Job:
        name = title.replace(', ', '_').replace(' ', '_')
        arguments['work_dir'] = f'work_dirs/evidence/{name}'
        return Job(title, function, arguments, done)


def untuned(task: str) -> List[str]:
    """The students without distillation: alone, or inheriting at most."""
    return [
        method
        for method in ('student', 'inherit')
        if Path(config_of(task, method)).is_file()
    ]


def length_options(task: str, share: float) -> dict:
    """The options that shorten a task's trainings, schedule included."""
    iters = load(config_of(task, 'student'), {}, 0).max_iters
    short = round(share * iters)
    return {
        'train_cfg.max_iters': short,
        'train_cfg.val_interval': short,
        'param_scheduler.1.end': short,
    }


def weight_options(task: str, method: str, weight: float) -> dict:
    """The options that give the losses of a method's features a weight."""
    losses = load(config_of(task, method), {}, 0).model.distiller
    return {
        f'model.distiller.distill_losses.{name}.loss_weight': weight
        for name in losses.distill_losses
        if name != 'loss_boxes'  # keeps its weight, like the task's losses
    }


def main() -> None:
    args = parse_args()
    evidence = Evidence(args)
    evidence.run()
    text = evidence_tables(evidence.rows.rows)
    Path(args.results, 'evidence.md').write_text(text)
    print(text)


if __name__ == '__main__':
    main()
