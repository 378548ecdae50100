"""``python -m mmfreekd.doctor [CONFIG]``."""

import argparse
import sys

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
    from .dry_run import dry_run

    return dry_run(cfg).print()


def report_environment() -> int:
    """Print the state of the environment; return 1 if there is a problem."""
    findings = examine_environment()
    width = max(len(finding.name) for finding in findings)
    for name, found, advice in findings:
        print(f'{"FIX " if advice else "ok  "}  {name:{width}}  {found}')
        if advice:
            print(f'      {"":{width}}  -> {advice}')
    return int(any(finding.advice for finding in findings))


if __name__ == '__main__':
    sys.exit(main())
