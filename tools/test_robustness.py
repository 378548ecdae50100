"""Measure how much the fifteen common corruptions hurt, as COCO-C does.

Prints clean performance P, the mean under corruption mPC, the relative rPC =
mPC / P and tables by corruption and severity, for one or several checkpoints
side by side. Every evaluation is a line in --out; run again, what is there
is not repeated.
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
from robustness.corruptions import CORRUPTIONS, GROUPS, SEVERITIES
from robustness.evaluation import evaluate_all
from robustness.rows import CLEAN, Rows, fingerprint
from robustness.tables import choose_metric, report


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
    parser.add_argument(
        '--frost-pictures',
        nargs='+',
        metavar='FILE',
        help='photographs of frost, such as those of the released benchmark. '
        'Defaults to drawn ones',
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
        for name in getattr(GROUPS.get(chosen), 'STRENGTHS', [chosen])
    ]
    return [CLEAN] + [
        (name, severity)
        for name in dict.fromkeys(names)
        for severity in sorted(set(args.severities))
    ]


def main() -> None:
    args = parse_args()
    pairs = pairs_of(args.models)
    models, rows = {}, None
    options = dict(seed=args.seed, frost_pictures=args.frost_pictures)
    for config, checkpoint in pairs:
        args.config = config
        cfg = load_config(args)
        cfg.load_from, cfg.resume = checkpoint, False
        rows = rows or Rows(
            args.out or str(Path(cfg.work_dir) / 'robustness.jsonl')
        )
        key = dict(
            model=fingerprint(cfg, options),
            name='/'.join(Path(checkpoint).parts[-2:]),
        )
        name = key['name'] + (f' ({config})' if key['name'] in models else '')
        models[name] = evaluate_all(
            cfg, key, cells_of(args), options, rows, args.metric
        )
    first = next(iter(models.values()))
    metric = choose_metric(first[CLEAN], args.metric)
    scores = {
        name: {cell: metrics[metric] for cell, metrics in results.items()}
        for name, results in models.items()
    }
    if int(os.environ.get('RANK', 0)) == 0:
        print(f'\n{report(metric, scores)}\n\nThe rows are in {rows.path}')


if __name__ == '__main__':
    run(main)
