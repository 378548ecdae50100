"""What a machine must have before anything is set up on it."""

import os
import shutil
import sysconfig
from pathlib import Path

from .running import SetupError

PYTHONS = ((3, 10), (3, 12))
DISK_GB = 5


def check_python(version: tuple) -> None:
    """Raise SetupError unless the Python version is one that is supported."""
    if not PYTHONS[0] <= tuple(version[:2]) <= PYTHONS[1]:
        raise SetupError(
            'Python 3.10, 3.11 or 3.12 is needed, but this is '
            f'{version[0]}.{version[1]}. Name another one: '
            '`make env PYTHON=python3.11`'
        )


def check_machine(venv: Path) -> None:
    """Raise SetupError if this machine lacks something, all at once.

    Args:
        venv (Path): Where the environment will be.
    """
    lacking = []
    for module in ('venv', 'ensurepip'):
        try:
            __import__(module)
        except ImportError:
            lacking.append(
                f"Python's module {module} (on Debian and Ubuntu: "
                '`apt-get install python3-venv`)'
            )
    compiler = os.environ.get('CXX', 'c++').split()[0]
    if not shutil.which(compiler):
        lacking.append(
            f'a C++ compiler, {compiler!r} was not found (on '
            'Debian and Ubuntu: `apt-get install build-essential`'
            ', or set CXX)'
        )
    header = Path(sysconfig.get_paths()['include']) / 'Python.h'
    if not header.exists():
        lacking.append(
            f"Python's headers, there is no {header} (on Debian "
            'and Ubuntu: `apt-get install python3-dev`)'
        )
    free = shutil.disk_usage(str(venv)).free / 2**30
    if free < DISK_GB:
        lacking.append(
            f'{DISK_GB} GB of free disk space, there are '
            f'{free:.1f} GB (most goes to PyTorch)'
        )
    if lacking:
        raise SetupError('this machine lacks\n  - ' + '\n  - '.join(lacking))
