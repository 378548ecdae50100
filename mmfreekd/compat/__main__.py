"""``python -m mmfreekd.compat``: the patches for a whole environment."""

import argparse
import sysconfig
from pathlib import Path

STARTUP_FILE = 'mmfreekd_compat.pth'
# one line, as a .pth file wants it; silent once mmfreekd is uninstalled
STARTUP_LINE = (
    "import importlib.util as u; u.find_spec('mmfreekd') and "
    "__import__('mmfreekd')\n"
)


def startup_path() -> Path:
    """Where the start-up file of this environment is."""
    return Path(sysconfig.get_paths()['purelib']) / STARTUP_FILE


def main(args=None) -> None:
    """Switch the patches on or off for every process of this environment."""
    parser = argparse.ArgumentParser(
        prog='python -m mmfreekd.compat', description=main.__doc__
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        '--enable',
        action='store_true',
        help='apply the patches whenever Python starts here, '
        'which mim and stock MMRazor tools need',
    )
    choice.add_argument('--disable', action='store_true', help='undo --enable')
    args = parser.parse_args(args)
    path = startup_path()
    if args.enable:
        path.write_text(STARTUP_LINE)
    elif args.disable:
        path.unlink(missing_ok=True)
    print(f'start-up patches are {"on" if path.exists() else "off"} ({path})')


if __name__ == '__main__':
    main()
