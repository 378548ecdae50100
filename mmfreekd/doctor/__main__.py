"""``python -m mmfreekd.doctor [CONFIG]``."""

import argparse
import sys
from typing import List, Sequence

from ..errors import UsageError
from .environment import examine_environment


def main(args=None) -> int:
    """Examine this environment, or a config before it is trained."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        prog='python -m mmfreekd.doctor', description=main.__doc__
    )
    parser.add_argument(
        'config', nargs='?', help='a config file; without it the environment'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change the config, as in tools/train.py',
    )
    args = parser.parse_args(args)
    if args.config is None:
        return report_environment()
    from .configs import read_config

    try:
        cfg = read_config(args.config, args.cfg_options)
    except UsageError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return dry_run(cfg)


def report_environment() -> int:
    """Print the state of the environment; return 1 if there is a problem."""
    findings = examine_environment()
    width = max(len(finding.name) for finding in findings)
    for name, found, advice in findings:
        print(f'{"FIX " if advice else "ok  "}  {name:{width}}  {found}')
        if advice:
            print(f'      {"":{width}}  -> {advice}')
    return int(any(finding.advice for finding in findings))


def dry_run(cfg) -> int:
    """Print what a config would train; 1 if it cannot be trained."""
    from .preflight import examine_config

    return report_config(examine_config(cfg))


def report_config(report) -> int:
    """Print a report; 1 if it holds problems."""
    if report.rows:
        print_table([report.rows[0]._fields, *report.rows])
    for fact in report.facts:
        print(fact)
    if not report.problems:
        print('No problem was found.')
        return 0
    print(f'{len(report.problems)} problem(s):', file=sys.stderr)
    for number, problem in enumerate(report.problems, 1):
        print(f'{number}. {problem}', file=sys.stderr)
    return 1


def print_table(rows: List[Sequence[str]]) -> None:
    """Print rows under each other, columns as wide as needed."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        print('  '.join(cells).rstrip())


if __name__ == '__main__':
    sys.exit(main())
