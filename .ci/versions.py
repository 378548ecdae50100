#!/usr/bin/env python3
"""Run the tests with another Python and another torch.

    python3.12 .ci/versions.py core --torch 2.13.0
    python3.11 .ci/versions.py stack --torch 2.3.1
    python3.10 .ci/versions.py sources
    python3 .ci/versions.py list

``core`` tests ``mmfreekd.frequency`` with torch and nothing of OpenMMLab,
``stack`` everything that ``make test`` does but SAM and DINOv2, whose package
wants a newer torch, ``sources`` only that every module compiles and that what
needs no torch imports. ``list`` prints what CI
runs. The Python is the one it is run with; the environment is a temporary
one. TORCH_INDEX names another index for torch than PyTorch's own for CPUs;
empty, pip's own are asked.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List, Optional

ROOT = Path(__file__).resolve().parents[1]
TORCH_INDEX = 'https://download.pytorch.org/whl/cpu'
LATEST, OLDEST = '2.13.0', '2.3.1'
MATRIX = [
    dict(what='core', python='3.10', torch=LATEST),
    dict(what='core', python='3.12', torch=LATEST),
    dict(what='core', python='3.10', torch=OLDEST),
    dict(what='core', python='3.12', torch=OLDEST),
    dict(what='stack', python='3.11', torch=OLDEST),
]
CORE_TESTS = ('tests/test_frequency', 'tests/test_properties.py')


class Environment:
    """A virtual environment in a folder."""

    def __init__(self, folder: str, torch: str) -> None:
        self.python = str(Path(folder) / 'bin' / 'python')
        self.torch = torch
        run([sys.executable, '-m', 'venv', folder])

    def install(self, *what: str) -> None:
        run([self.python, '-m', 'pip', 'install', '-q', *what])

    def install_torch(self) -> None:
        index = os.environ.get('TORCH_INDEX', TORCH_INDEX)
        extra = ['--extra-index-url', index] if index else []
        self.install(f'torch=={self.torch}', 'numpy', *extra)

    def install_stack(self) -> None:
        """What ``make env`` installs, but for torch and the extra sam."""
        pins = (ROOT / 'requirements/constraints.txt').read_text()
        kept = Path(self.python).parents[1] / 'pins.txt'
        kept.write_text(re.sub(r'(?m)^(torch|sympy)==.*', '', pins))
        pinned = ('-c', str(kept))
        self.install(*pinned, '-r', str(ROOT / 'requirements/build.txt'))
        os.environ['MMCV_WITH_OPS'] = '1'  # compiles for a quarter of an hour
        self.install('--no-build-isolation', '--no-cache-dir', 'mmcv==2.1.0')
        self.install(*pinned, f'{ROOT}[tests,wavelets]')
        self.install('--no-deps', 'openmim==0.3.9')
        self.install(*pinned, '-r', str(ROOT / 'requirements/mim.txt'))

    def test(self, *arguments: str) -> None:
        folders = (ROOT, ROOT / 'tests', ROOT / '.ci')
        path = os.pathsep.join(map(str, folders))
        run(
            [self.python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider']
            + list(arguments),
            dict(PYTHONPATH=path, OMP_NUM_THREADS='1'),
        )


def sources() -> None:
    """Compile every module; import what has to work without torch."""
    modules = [ROOT / name for name in ('mmfreekd', 'tools', 'tests')]
    with tempfile.TemporaryDirectory() as cache:
        compiled = dict(PYTHONPYCACHEPREFIX=cache)
        run([sys.executable, '-m', 'compileall', '-q', *modules], compiled)
        code = (
            'from mmfreekd.compat.versions import refuse_known_bad as r; r()'
        )
        run([sys.executable, '-c', code], compiled)


def core(environment: Environment) -> None:
    """Test the core without anything of OpenMMLab."""
    environment.install_torch()
    environment.install('pytest', 'PyWavelets')
    # conftest.py cleans up after mmengine, which is not there
    environment.test('--noconftest', '-p', 'seeded', *CORE_TESTS)


def stack(environment: Environment) -> None:
    """Test everything that needs no transformers."""
    environment.install_torch()
    environment.install_stack()
    environment.test('tests')


def run(command: List, environment: Optional[dict] = None) -> None:
    """Run a command in the clone; the script ends with it if it fails."""
    print('+', *command, flush=True)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=str(ROOT),
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        sys.exit(f'{sys.version.split()[0]}: {command} failed')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('what', choices=['core', 'stack', 'sources', 'list'])
    parser.add_argument('--torch', default=LATEST)
    args = parser.parse_args()
    if args.what == 'list':
        print(json.dumps(MATRIX))
        return
    start = time.monotonic()
    sources()
    if args.what != 'sources':
        with tempfile.TemporaryDirectory(prefix='mmfreekd_') as folder:
            test = dict(core=core, stack=stack)[args.what]
            test(Environment(folder, args.torch))
    print(
        f'{time.strftime("%Y-%m-%d")}: Python {sys.version.split()[0]}, '
        f'{args.what}'
        + f', torch {args.torch}' * (args.what != 'sources')
        + f': passed in {time.monotonic() - start:.0f} s'
    )


if __name__ == '__main__':
    main()
