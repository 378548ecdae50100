"""Measure what distillation costs: time, memory, checkpoints.

Prints four tables and saves them as JSON: the loss alone, the whole
iteration, how the loss scales, two processes against one. Absolute times mean
little: figures are ratios of things that are run in turn in one process,
medians over rounds. Another implementation is compared by its import path:

  python tools/benchmark.py --tables loss --loss my_package.losses:MyLoss
"""

import argparse
import json
import platform
import subprocess
from datetime import date
from pathlib import Path
from typing import Dict, List

import torch
from _cli import CLONE, UsageError, run

TABLES = ('loss', 'iteration', 'scaling', 'processes')
Row = Dict[str, object]


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--tables',
        nargs='+',
        choices=TABLES,
        default=TABLES,
        help='what to measure. Defaults to all',
    )
    parser.add_argument(
        '--loss',
        nargs='+',
        default=[],
        metavar='MODULE:NAME',
        help='further losses: functions of two features, or classes of '
        'losses, with arguments as MODULE:NAME:{"argument": value}; CHANNELS '
        'stands for the number of channels',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=[],
        metavar='WORD',
        help='only losses and methods with one of these words in their name',
    )
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: the CPU time of the process, for a machine that others '
        'use too; with --threads 1. Defaults to wall',
    )
    parser.add_argument(
        '--out',
        default='work_dirs/benchmark.json',
        help='where to save. Defaults to work_dirs/benchmark.json',
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=9,
        help='rounds, of which the median counts. Defaults to 9',
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=torch.get_num_threads(),
        help="CPU threads. Defaults to PyTorch's own choice",
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='tiny features and models, to see that it runs',
    )
    return parser.parse_args(args)


def benchmark(args: argparse.Namespace) -> Path:
    """Measure, print and save.

    Args:
        args (argparse.Namespace): The command line.

    Returns:
        Path: The file.

    Raises:
        UsageError: If a named loss does not exist.
    """
    if min(args.repeats, args.threads) < 1:
        raise UsageError(
            '--repeats and --threads must be at least 1, got '
            f'{args.repeats} and {args.threads}'
        )
    # after the command line: they import all of OpenMMLab
    from benchmarking import tables

    torch.set_num_threads(args.threads)
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    report = dict(machine=machine(args), tables={})
    for name in args.tables:
        rows = getattr(tables, name)(args)
        print(f'\n{name}\n{markdown(rows)}', flush=True)
        report['tables'][name] = rows
        # what took long is kept if a later table fails
        out.write_text(json.dumps(report, indent=1))
    print(f'\nsaved: {out}')
    return out


def machine(args: argparse.Namespace) -> Row:
    """Where and with what the figures were measured."""
    commit = subprocess.run(
        ['git', '-C', str(CLONE), 'rev-parse', '--short', 'HEAD'],
        capture_output=True,
        text=True,
    )
    device = platform.machine()
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    return dict(
        date=str(date.today()),
        commit=commit.stdout.strip() or 'none',
        device=device,
        threads=args.threads,
        torch=torch.__version__,
        repeats=args.repeats,
        clock=args.clock,
    )


def markdown(rows: List[Row]) -> str:
    """Rows as a table; all have the keys of the first."""
    head = [*rows[0]]
    lines = [head, ['---'] * len(head)]
    lines += [[_cell(row.get(key)) for key in head] for row in rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'{value:.4g}'
    return '' if value is None else str(value)


def main(args=None) -> None:
    """What the command line calls."""
    benchmark(parse_args(args))


if __name__ == '__main__':
    run(main)
