"""Train a list of configs over seeds, and print a table.

What they need (data, teacher, prompts) is made first. Safe to interrupt:
finished runs are kept in the file of the results.
"""

import argparse
from pathlib import Path
from typing import List

from mmengine.config import DictAction

from .pool import Job, add_workers, run_jobs
from .prerequisites import make_prerequisites
from .rows import Results, made_by
from .runs import fingerprint, load, run_config
from .tables import (
    by_seed,
    markdown,
    mean_and_error,
    number,
    paired_difference,
)

FOLDER = Path('work_dirs/compare')  # of the runs
NEEDED = {'metric', 'splits'}


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Train configs over seeds and compare them',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('configs', nargs='+', help='the first is the baseline')
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0, 1, 2],
        help='one training of each config with each',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change every config',
    )
    parser.add_argument(
        '--split',
        default='val',
        help="one of the configs' splits",
    )
    parser.add_argument(
        '--results',
        default='work_dirs/compare.json',
        help='file of the rows',
    )
    add_workers(parser)
    return parser.parse_args(args)


def key_of(args: argparse.Namespace, config: str, seed: int) -> dict:
    """What identifies a run: change the config, and it is another one."""
    return dict(
        config=Path(config).stem,
        fingerprint=fingerprint(load(config, args.cfg_options, 0)),
        seed=seed,
        split=args.split,
    )


def jobs_of(args: argparse.Namespace, results: Results) -> List[Job]:
    """The runs that are not in the results yet."""
    origin = made_by()
    jobs = []
    for seed in args.seeds:
        for config in args.configs:
            key = key_of(args, config, seed)
            if results.find(**key) is None:
                jobs.append(_job(args, config, key, results, origin))
    return jobs


def folder_of(key: dict) -> Path:
    """The folder of a run."""
    return FOLDER / '{config}_seed{seed}_{fingerprint}'.format(**key)


def _job(
    args: argparse.Namespace,
    config: str,
    key: dict,
    results: Results,
    origin: dict,
) -> Job:
    def done(metrics: dict) -> None:
        results.put(key, value=metrics[key['split']], **origin)

    return Job(
        f'{key["config"]}_seed{key["seed"]}',
        run_config,
        dict(
            config=config,
            options=args.cfg_options,
            seed=key['seed'],
            splits=[key['split']],
            work_dir=str(folder_of(key)),
            keep='student',
        ),
        done,
    )


def table(args: argparse.Namespace, results: Results) -> str:
    """Mean, standard error and the paired difference to the baseline."""
    values = {}
    for config in args.configs:
        keys = [key_of(args, config, seed) for seed in args.seeds]
        values[config] = by_seed([results.find(**key) for key in keys])
    baseline = values[args.configs[0]]
    rows = [
        [
            Path(config).stem,
            number(*mean_and_error(list(seeds.values()))),
            number(*paired_difference(seeds, baseline), signed=True),
        ]
        for config, seeds in values.items()
    ]
    metric = load(args.configs[0], args.cfg_options, 0).metric
    head = ['config', f'{metric} ({args.split})', 'against the first']
    return markdown(head, rows)


def check_configs(args: argparse.Namespace) -> None:
    """Raise ``SystemExit`` if a config is not made for comparisons."""
    for config in args.configs:
        missing = NEEDED - load(config, args.cfg_options, 0).keys()
        if missing:
            raise SystemExit(
                f'{config} has no {", ".join(sorted(missing))}: expected a '
                'config that says how its data are made, what its splits are '
                'and which metric counts, as those in configs/experiments'
            )


def main() -> None:
    args = parse_args()
    check_configs(args)
    results = Results(args.results)
    runs = [(config, args.cfg_options) for config in args.configs]
    make_prerequisites(runs, args.workers)
    run_jobs(jobs_of(args, results), args.workers)
    seeds = ' '.join(map(str, args.seeds))
    text = f'Mean ± standard error over seeds {seeds}:\n\n'
    text += table(args, results)
    print(f'\n{text}')


if __name__ == '__main__':
    main()
