"""Measure how much the fifteen common corruptions hurt, as COCO-C does.

Prints clean performance P, the mean under corruption mPC, the relative rPC =
mPC / P and means by corruption and severity, for one or several checkpoints.
Each evaluation is a line in --out and is not repeated by a second run. Needs
the extra `robustness`.
"""

import argparse
import os
from pathlib import Path
from typing import List, Tuple

from _cli import (
    UsageError,
    add_common_arguments,
    load_config,
    need_checkpoint,
    run,
)
from robustness.evaluation import evaluate_all
from robustness.report import CLEAN, choose_metric, report

from mmfreekd.datasets.corruptions import CORRUPTIONS, GROUPS, SEVERITIES


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Evaluate checkpoints on corrupted images'
    )
    parser.add_argument(
        'models',
        nargs='+',
        metavar='CONFIG.py CHECKPOINT',
        help='a config and one or more checkpoints of it; further configs '
        'with theirs may follow',
    )
    parser.add_argument(
        '--corruptions',
        nargs='+',
        choices=[*CORRUPTIONS, *GROUPS],
        default=list(GROUPS),
        metavar='NAME',
        help=f'{", ".join(CORRUPTIONS)}; or a group: {", ".join(GROUPS)}. '
        'Defaults to all',
    )
    parser.add_argument(
        '--severities',
        nargs='+',
        type=int,
        choices=SEVERITIES,
        default=list(SEVERITIES),
        metavar='N',
        help='Defaults to 1 2 3 4 5',
    )
    parser.add_argument(
        '--metric',
        help='the one to print; the rows hold all. Defaults to box AP or mIoU',
    )
    parser.add_argument(
        '--out',
        metavar='FILE.jsonl',
        help='where the rows are kept. Defaults to robustness.jsonl in the '
        'work_dir',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of the random numbers of each image. Defaults to 0',
    )
    add_common_arguments(parser)
    return parser.parse_args(args)


def pairs_of(models: List[str]) -> List[Tuple[str, str]]:
    """Configs and checkpoints: each config counts for those after it.

    Raises:
        UsageError: If the first is no config, or a config has no checkpoint.
    """
    pairs, config = [], None
    for name, after in zip(models, [*models[1:], '.py']):
        if name.endswith('.py'):
            config = name
            if after.endswith('.py'):
                raise UsageError(f'a checkpoint was expected after {name!r}')
        elif config is None:
            raise UsageError(
                f'a config file NAME.py was expected first, got {name!r}'
            )
        else:
            pairs.append((config, need_checkpoint(name)))
    return pairs


def cells_of(args: argparse.Namespace) -> List[Tuple[str, int]]:
    """What to evaluate: clean images, then each corruption and severity."""
    names = [
        name
        for chosen in args.corruptions
        for name in GROUPS.get(chosen, [chosen])
    ]
    return [CLEAN] + [
        (name, severity)
        for name in dict.fromkeys(names)
        for severity in sorted(set(args.severities))
    ]


def main() -> None:
    args = parse_args()
    models, path = {}, args.out and Path(args.out)
    for config, checkpoint in pairs_of(args.models):
        args.config = config
        cfg = load_config(args)
        cfg.load_from, cfg.resume = checkpoint, False
        path = path or Path(cfg.work_dir) / 'robustness.jsonl'
        name = '/'.join(Path(checkpoint).parts[-2:])
        name += f' ({config})' * (name in models)
        models[name] = evaluate_all(
            cfg, name, cells_of(args), args.seed, path, args.metric
        )
    metric = choose_metric(next(iter(models.values()))[CLEAN], args.metric)
    scores = {
        name: {cell: metrics[metric] for cell, metrics in results.items()}
        for name, results in models.items()
    }
    if int(os.environ.get('RANK', 0)) == 0:
        print(f'\n{report(metric, scores)}\n\nThe rows are in {path}')


if __name__ == '__main__':
    run(main)
