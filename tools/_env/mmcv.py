"""Get an MMCV whose compiled operators fit the installed PyTorch.

For PyTorch 2.2 and later there are no ready-made packages of MMCV 2.1.0, so
it is compiled here. That happens in a directory that stays: what was compiled
before an interruption is not compiled again.
"""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from .running import SetupError, environment, run_logged, say

GB_PER_JOB = 2  # what the compiler takes for one file, at most
ADVICE = """\
What this usually means:
  - `Python.h: No such file`: Python's headers are missing (on Debian and
    Ubuntu: `apt-get install python3-dev`)
  - `Killed` or `out of memory`: set MAX_JOBS=1
  - `CUDA_HOME` or `nvcc`: there is a GPU but no CUDA toolkit. Install the one
    of PyTorch's CUDA version
Then run this again"""


def mmcv_loads(venv: Path, version: str) -> bool:
    """Whether MMCV and its operators load in a fresh interpreter."""
    return load_error(venv, version) is None


def load_error(venv: Path, version: str):
    """Why MMCV does not load.

    Returns:
        str | None: The last line of the traceback, or None if it loads.
    """
    code = (
        'import mmcv, torch, mmcv._ext; '
        f'assert mmcv.__version__ == {version!r}, mmcv.__version__'
    )
    tried = subprocess.run(
        [str(venv / 'bin' / 'python'), '-c', code],
        cwd=str(venv),
        env=environment(venv),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if tried.returncode == 0:
        return None
    return (tried.stderr.strip().splitlines() or ['it crashed'])[-1]


def build_mmcv(venv: Path, version: str, lock: int, install) -> None:
    """Install MMCV: a wheel that was kept, if it loads, or a new one.

    pip keeps the wheels that it has built under the version of MMCV alone,
    whatever PyTorch they were compiled against; hence the trial.

    Args:
        venv (Path): The virtual environment; PyTorch is in it already.
        version (str): The version of MMCV.
        lock (int): A file descriptor that all programs inherit.
        install (Callable): Installs the wheel with the path it is given.

    Raises:
        SetupError: If it cannot be compiled, or does not load after that.
    """
    build = venv / 'mmcv_build' / torch_version(venv)
    for wheel in kept_wheels(venv, build, version):
        say(f'      trying {wheel}')
        install(str(wheel))
        if mmcv_loads(venv, version):
            return
        say('      it was compiled against another PyTorch')
    if (build / 'dist').exists():  # its wheel was among the tried ones
        shutil.rmtree(str(build))
    install(str(compile_wheel(venv, build, version, lock)))
    error = load_error(venv, version)
    if error:
        raise SetupError(
            f'MMCV {version} was compiled, but it does not load: {error}\n'
            f'Remove {build} and run this again. The log of the compilation '
            f'is in {venv / "mmcv_build.log"}'
        )


def torch_version(venv: Path) -> str:
    """The version of PyTorch in ``venv``, such as ``2.13.0+cpu``."""
    code = "from importlib.metadata import version; print(version('torch'))"
    return subprocess.check_output(
        [str(venv / 'bin' / 'python'), '-c', code],
        cwd=str(venv),
        env=environment(venv),
        text=True,
    ).strip()


def kept_wheels(venv: Path, build: Path, version: str) -> list:
    """The wheels that were built here, for other clones, and by pip."""
    python = str(venv / 'bin' / 'python')
    tag = subprocess.check_output(
        [python, '-c', 'import sys; print("cp%d%d" % sys.version_info[:2])'],
        text=True,
    ).strip()
    listed = subprocess.run(
        [python, '-m', 'pip', 'cache', 'list', 'mmcv', '--format', 'abspath'],
        env=environment(venv),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout.split('\n')
    wheels = [
        *sorted((build / 'dist').glob('*.whl')),
        *sorted(wheel_store(build.name).glob('*.whl')),
        *map(Path, listed),
    ]
    return [
        wheel
        for wheel in wheels
        if re.match(rf'mmcv-{re.escape(version)}-{tag}-', wheel.name)
    ]


def compile_wheel(venv: Path, build: Path, version: str, lock: int) -> Path:
    """Compile MMCV with its operators.

    Returns:
        Path: The wheel.
    """
    python = str(venv / 'bin' / 'python')
    log = venv / 'mmcv_build.log'
    source = fetch_source(venv, build, version, lock)
    jobs = os.environ.get('MAX_JOBS') or str(compile_jobs())
    say(
        f'      compiling MMCV {version}, {jobs} files at a time; the full '
        'output is in .venv/mmcv_build.log'
    )
    part = build / 'dist.part'
    shutil.rmtree(str(part), ignore_errors=True)
    run_logged(
        [python, 'setup.py', 'bdist_wheel', '-d', str(part)],
        log,
        venv,
        lock,
        cwd=source,
        advice=ADVICE,
        MMCV_WITH_OPS='1',
        MAX_JOBS=jobs,
    )
    os.replace(str(part), str(build / 'dist'))
    wheel = next((build / 'dist').glob('*.whl'))
    keep_wheel(wheel, wheel_store(build.name))
    return wheel


def keep_wheel(wheel: Path, store: Path) -> None:
    """Copy a wheel to where other clones look for it, if that is possible."""
    part = store / f'{wheel.name}.{os.getpid()}.part'
    try:
        store.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(wheel), str(part))
        os.replace(str(part), str(store / wheel.name))
    except OSError as error:
        say(f'      not kept for other clones: {error}')


def wheel_store(torch: str) -> Path:
    """Where wheels for a version of PyTorch are kept for other clones."""
    cache = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser()
    return cache / 'mmfreekd' / f'mmcv-torch{torch}'


def fetch_source(venv: Path, build: Path, version: str, lock: int) -> Path:
    """Download and unpack the source package, unless that is done.

    Returns:
        Path: The directory of the source.
    """
    source = build / f'mmcv-{version}'
    if source.exists():
        return source
    part = build / 'source.part'
    shutil.rmtree(str(part), ignore_errors=True)
    part.mkdir(parents=True)
    run_logged(
        [
            str(venv / 'bin' / 'python'),
            '-m',
            'pip',
            'download',
            '--no-deps',
            '--no-build-isolation',
            '--no-binary',
            'mmcv',
            '-d',
            str(part),
            f'mmcv=={version}',
        ],
        venv / 'setup.log',
        venv,
        lock,
    )
    with tarfile.open(str(next(part.glob('*.tar.gz')))) as archive:
        archive.extractall(str(part))
    os.replace(str(part / source.name), str(source))
    return source


def compile_jobs() -> int:
    """How many files to compile at a time: cores, as memory allows."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30
    return max(1, min(cores, int(memory // GB_PER_JOB)))
