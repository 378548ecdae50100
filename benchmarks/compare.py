"""Train configs or methods over seeds, and print a table.

What they need (data, teacher, prompts) is made first. Safe to interrupt:
finished runs are kept in the file of the results, others resume.

Example:
    python -m benchmarks.compare det-retinanet:freekd det-retinanet:t6
"""

import argparse
from pathlib import Path
from typing import Dict, List, Tuple

from mmengine.config import DictAction

from .configs import fingerprint, load
from .pool import Job, add_workers, run_jobs
from .prerequisites import make_prerequisites
from .rows import Results, made_by
from .runs import run_config
from .tables import (
    by_seed,
    markdown,
    mean_and_error,
    number,
    paired_difference,
)
from .tasks import run_of

FOLDER = Path('work_dirs/compare')  # of the runs
NEEDED = {'metric', 'splits'}
Runs = Dict[str, Tuple[str, dict]]  # by name: config and options


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Train configs over seeds and compare them',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        'runs',
        nargs='+',
        help='config files, or TASK:METHOD with a method or ablation of '
        'benchmarks/methods.py; the first is the baseline',
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change every config',
    )
    parser.add_argument('--split', default='val', help='of the configs')
    parser.add_argument(
        '--results', default='work_dirs/compare.json', help='of the rows'
    )
    add_workers(parser)
    return parser.parse_args(args)


def runs_of(args: argparse.Namespace) -> Runs:
    """What is compared.

    Raises:
        SystemExit: If a config is not made for comparisons.
    """
    runs = {}
    for name in args.runs:
        config, options = run_of(name)
        options = {**options, **args.cfg_options}
        missing = NEEDED - load(config, options, 0).keys()
        if missing:
            raise SystemExit(
                f'{config} has no {", ".join(sorted(missing))}, expected a '
                'config with its splits and metric, like those in '
                'benchmarks/configs'
            )
        runs[name if ':' in name else Path(name).stem] = config, options
    return runs


class Comparison:
    """Runs over seeds and their rows.

    Args:
        runs (dict): From names to configs and options.
        seeds (list[int]): One training of each with each.
        split (str): On which they are compared.
        results (Results): The rows.
        keep (str): As of :func:`benchmarks.runs.run_config`. Defaults to
            'nothing'.
    """

    def __init__(
        self,
        runs: Runs,
        seeds: List[int],
        split: str,
        results: Results,
        keep: str = 'nothing',
    ) -> None:
        self.runs, self.seeds, self.split = runs, seeds, split
        self.results, self.keep = results, keep
        self.prints = {
            name: fingerprint(load(*run, 0)) for name, run in runs.items()
        }

    def key(self, name: str, seed: int) -> dict:
        """What identifies a row: the content of the config, not its name."""
        mark = self.prints[name]
        return dict(fingerprint=mark, seed=seed, split=self.split)

    def folder(self, name: str, seed: int) -> Path:
        """The folder of a run."""
        stem = name.replace(':', '_').replace(' ', '_')
        return FOLDER / f'{stem}_seed{seed}_{self.prints[name]}'

    def run(self, workers: int) -> None:
        """Do what has not been done yet."""
        make_prerequisites([*self.runs.values()], workers)
        run_jobs(self.jobs(), workers)

    def jobs(self) -> List[Job]:
        """The runs without a row; what they need must be there."""
        origin = made_by()
        return [
            self._job(name, seed, origin)
            for seed in self.seeds
            for name in self.runs
            if self.results.find(**self.key(name, seed)) is None
        ]

    def _job(self, name: str, seed: int, origin: dict) -> Job:
        config, options = self.runs[name]
        arguments = dict(
            config=config,
            options=options,
            seed=seed,
            splits=[self.split],
            work_dir=str(self.folder(name, seed)),
            keep=self.keep,
        )

        def done(metrics: dict) -> None:
            key = dict(config=name, **self.key(name, seed))
            self.results.put(key, value=metrics[self.split], **origin)

        return Job(f'{name}, seed {seed}', run_config, arguments, done)

    def values(self, name: str) -> Dict[int, float]:
        """From seeds to values."""
        rows = [self.results.find(**self.key(name, s)) for s in self.seeds]
        return by_seed([row for row in rows if row])

    def table(self) -> str:
        """Mean, standard error and the paired difference to the baseline."""
        names = [*self.runs]
        baseline = self.values(names[0])
        rows = []
        for name in names:
            values = self.values(name)
            mean = number(*mean_and_error([*values.values()]))
            paired = paired_difference(values, baseline)
            rows.append([name, mean, number(*paired, signed=True)])
        metric = load(*self.runs[names[0]], 0).metric
        head = ['config', f'{metric} ({self.split})', 'against the first']
        return markdown(head, rows)


def main() -> None:
    args = parse_args()
    comparison = Comparison(
        runs_of(args), args.seeds, args.split, Results(args.results)
    )
    comparison.run(args.workers)
    seeds = ' '.join(map(str, args.seeds))
    print(f'\nMean ± standard error over seeds {seeds}:\n')
    print(comparison.table())


if __name__ == '__main__':
    main()
