"""Set up ``.venv`` for this clone; ``make env`` runs it.

Needs nothing but Python, and for MMCV a C++ compiler. It goes step by step
and notes each finished step in ``.venv``, so that a second run has nothing to
do and an interrupted one goes on where it stopped.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from _env.mmcv import build_mmcv, mmcv_loads
from _env.running import SetupError, duration, environment, run_logged, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
STAMP = 'mmfreekd_env.json'
PYTHONS = ((3, 10), (3, 12))
DISK_GB = 5
REQUIREMENTS = ROOT / 'requirements'
# what the installed package is made of
SOURCES = (
    'mmfreekd',
    'configs',
    'tools',
    'requirements',
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'model-index.yml',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
)


def main() -> int:
    """Bring ``.venv`` up to date.

    Returns:
        int: The exit status: 0, 1 for an error, 130 when interrupted.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        VENV.mkdir(exist_ok=True)
        with only_one(VENV) as lock:
            set_up(lock)
    except SetupError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nInterrupted. The same command goes on from here.')
        return 130
    return 0


def set_up(lock: int) -> None:
    """Run the steps that are not done yet, then install the project."""
    stamp = read_stamp(VENV / STAMP)
    wanted = requirements_digest(REQUIREMENTS)
    runs = (VENV / 'bin' / 'python').exists()
    if stamp.get('requirements') != wanted or not runs:
        stamp = {'requirements': wanted, 'done': []}
    todo = [step for step in STEPS if step[0] not in stamp['done']]
    if todo:
        check_python(sys.version_info)
        check_machine()
        say(
            f'Setting up {VENV}: {len(todo)} of {len(STEPS)} steps to go. '
            'The log is in .venv/setup.log.'
        )
    for name, expectation, action in todo:
        number = 1 + [step[0] for step in STEPS].index(name)
        say(f'[{number}/{len(STEPS)}] {name} ({expectation})')
        start = time.monotonic()
        action(lock)
        stamp['done'].append(name)
        write_stamp(VENV / STAMP, stamp)
        say(f'      done in {duration(time.monotonic() - start)}')
    sources = files_digest(ROOT, project_files(ROOT))
    if todo or stamp.get('project') != sources:
        say('Installing this project into .venv (a few seconds)')
        install_project(lock)
        stamp['project'] = sources
        write_stamp(VENV / STAMP, stamp)
        say('The environment is ready.')
    else:
        say('The environment in .venv is up to date.')


def check_python(version: tuple) -> None:
    """Raise SetupError unless the Python version is one that is supported."""
    if not PYTHONS[0] <= tuple(version[:2]) <= PYTHONS[1]:
        raise SetupError(
            'Python 3.10, 3.11 or 3.12 is needed, but this is '
            f'{version[0]}.{version[1]}. Name another one: '
            '`make env PYTHON=python3.11`'
        )


def check_machine() -> None:
    """Raise SetupError if this machine lacks something, all at once."""
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
    free = shutil.disk_usage(str(VENV)).free / 2**30
    if free < DISK_GB:
        lacking.append(
            f'{DISK_GB} GB of free disk space, there are '
            f'{free:.1f} GB (most goes to PyTorch)'
        )
    if lacking:
        raise SetupError('this machine lacks\n  - ' + '\n  - '.join(lacking))


@contextlib.contextmanager
def only_one(directory: Path):
    """Hold a lock on a directory, waiting for whoever holds it.

    Yields:
        int: The file descriptor. Child processes inherit it and hold the lock
        as long as they live, so a set-up that was killed cannot be overtaken
        by its own leftovers.
    """
    handle = os.open(str(directory), os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('Another set-up of this clone is running; waiting for it.')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def read_stamp(path: Path) -> dict:
    """What has been done already; empty if nothing can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write_stamp(path: Path, stamp: dict) -> None:
    """Replace the stamp file in one go."""
    part = path.with_suffix('.part')
    part.write_text(json.dumps(stamp, indent=2) + '\n')
    os.replace(str(part), str(path))


def requirements_digest(directory: Path) -> str:
    """A hash of all requirement files."""
    return files_digest(directory, sorted(directory.glob('*.txt')))


def project_files(root: Path) -> list:
    """The files of which the installed package is made, sorted."""
    files = []
    for name in SOURCES:
        source = root / name
        if source.is_dir():
            files += [
                path
                for path in source.rglob('*')
                if path.is_file()
                and not {'__pycache__', '.mim'} & set(path.parts)
            ]
        elif source.exists():
            files.append(source)
    return sorted(files)


def files_digest(root: Path, files: list) -> str:
    """A hash of files: of their names and of what they hold."""
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        name = path.relative_to(root).as_posix()
        digest.update(f'{name}\0{len(content)}\0'.encode() + content)
    return digest.hexdigest()


def install_project(lock: int) -> None:
    """Install the project as a wheel, which is what ``mim`` can look into.

    It is built from a copy, so that nothing is left in the clone, and nothing
    stale in the clone gets into the wheel.
    """
    with tempfile.TemporaryDirectory() as copy:
        for path in project_files(ROOT):
            target = Path(copy) / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(path), str(target))
        pip(
            lock,
            '--no-deps',
            '--no-build-isolation',
            '--force-reinstall',
            copy,
        )


def pip(lock: int, *arguments) -> None:
    """``pip install`` inside ``.venv``, with the tested versions."""
    command = [
        str(VENV / 'bin' / 'python'),
        '-m',
        'pip',
        'install',
        '--disable-pip-version-check',
        '--progress-bar',
        'off',
        '-c',
        str(REQUIREMENTS / 'constraints.txt'),
        *arguments,
    ]
    run_logged(command, VENV / 'setup.log', VENV, lock)


def from_files(*names) -> list:
    """The arguments with which pip reads requirement files."""
    return [
        part
        for name in names
        for part in ('-r', str(REQUIREMENTS / f'{name}.txt'))
    ]


def make_venv(lock: int) -> None:
    """Create ``.venv``, anew if there is one that does not run."""
    python = VENV / 'bin' / 'python'
    if python.exists():
        check = [str(python), '-c', 'import pip']
        if subprocess.run(check, stderr=subprocess.DEVNULL).returncode == 0:
            return
    made = subprocess.run(
        [sys.executable, '-m', 'venv', '--clear', str(VENV)],
        env=environment(VENV),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        raise SetupError(
            f'no virtual environment could be made in {VENV}:\n{made.stdout}'
        )


def install_mmcv(lock: int) -> None:
    """Install MMCV, compiled against the PyTorch that is in ``.venv``."""
    pin = next(
        line
        for line in (REQUIREMENTS / 'constraints.txt').open()
        if line.startswith('mmcv==')
    )
    version = pin.split('==')[1].strip()
    if not mmcv_loads(VENV, version):
        build_mmcv(
            VENV,
            version,
            lock,
            install=lambda wheel: pip(
                lock, '--no-deps', '--force-reinstall', wheel
            ),
        )


STEPS = (
    ('virtual environment', 'a few seconds', make_venv),
    (
        'PyTorch',
        'a minute or more, it is a large download',
        lambda lock: pip(lock, 'torch'),
    ),
    (
        'build tools and MMEngine',
        'less than a minute',
        lambda lock: pip(lock, *from_files('build')),
    ),
    (
        'MMCV',
        'about 13 minutes on two cores to compile it, seconds if pip '
        'has kept it',
        install_mmcv,
    ),
    (
        'MMDetection, MMSegmentation, MMRazor',
        'about a minute',
        lambda lock: pip(lock, *from_files('runtime')),
    ),
    (
        'test tools and the needs of mim',
        'less than a minute',
        lambda lock: pip(lock, *from_files('tests', 'wavelets', 'sam', 'mim')),
    ),
    ('mim', 'a few seconds', lambda lock: pip(lock, '--no-deps', 'openmim')),
)

if __name__ == '__main__':
    sys.exit(main())
