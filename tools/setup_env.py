"""Set up ``.venv`` for this clone; ``make env`` runs it.

Needs nothing but Python, and for MMCV a C++ compiler. It goes step by step
and notes each finished step in ``.venv``, so that a second run has nothing to
do and an interrupted one goes on where it stopped.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _env.checks import check_machine, check_python
from _env.mmcv import build_mmcv, mmcv_loads
from _env.running import SetupError, duration, environment, run_logged, say
from _env.stamp import (
    files_digest,
    project_files,
    read_stamp,
    requirements_digest,
    write_stamp,
)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
STAMP = 'mmfreekd_env.json'
REQUIREMENTS = ROOT / 'requirements'


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
        check_machine(VENV)
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
