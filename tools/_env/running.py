"""Run a program, its output into a log, signs of life onto the terminal."""

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

SIGN_OF_LIFE = 20  # seconds between two lines on the terminal, at most
STEP = re.compile(r'^\s*\[(\d+)/(\d+)\]\s')


class SetupError(Exception):
    """The set-up cannot go on; the message says why and what to do."""


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def duration(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest:02d} s' if minutes else f'{rest} s'


def parse_step(line: str):
    """What ninja says about its progress.

    Returns:
        tuple | None: ``(12, 77)`` for a line that starts with ``[12/77]``,
        None for any other.
    """
    found = STEP.match(line)
    return (int(found[1]), int(found[2])) if found else None


def describe_progress(step, seconds: float) -> str:
    """One line on how far a run is.

    Args:
        step (tuple | None): Steps finished and all steps, if known.
        seconds (float): Time since the start.
    """
    passed = duration(seconds)
    if step is None:
        return f'still running after {passed}'
    done, total = step
    line = f'[{done}/{total}] {100 * done // total} %, {passed} so far'
    if 10 * done < total:  # too early to tell
        return line
    return f'{line}, about {duration(seconds / done * (total - done))} left'


def environment(venv: Path) -> dict:
    """The variables for programs that work on the environment in ``venv``."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ('PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET')
    }
    env['PATH'] = f'{venv / "bin"}{os.pathsep}{env.get("PATH", os.defpath)}'
    env['VIRTUAL_ENV'] = str(venv)
    env['PIP_USER'] = '0'
    env['PYTHONUNBUFFERED'] = '1'
    return env


def run_logged(
    command: list,
    log: Path,
    venv: Path,
    lock: int,
    cwd=None,
    advice: str = '',
    **variables,
) -> None:
    """Run a program to its end.

    Args:
        command (list): The program and its arguments.
        log (Path): Its output is added to this file.
        venv (Path): The virtual environment that it works on.
        lock (int): A file descriptor that the program inherits.
        cwd (Path, optional): Where it runs. Defaults to ``venv``.
        advice (str): What to tell the user if it fails.
        **variables: Further environment variables.

    Raises:
        SetupError: If the program fails. The message ends with the last lines
            of its output.
    """
    tail = deque(maxlen=25)
    with (
        log.open('a') as file,
        subprocess.Popen(
            command,
            cwd=str(cwd or venv),
            env={**environment(venv), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            pass_fds=(lock,),
            start_new_session=True,
        ) as process,
    ):
        try:
            for line in _with_signs_of_life(process.stdout):
                file.write(line)
                file.flush()
                tail.append(line)
        except BaseException:  # interrupted: end its children as well
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode:
        raise SetupError(
            f'`{" ".join(command)}` failed with status {process.returncode}. '
            f'The end of its output, all of which is in {log}:\n\n'
            f'{"".join(tail)}\n{advice or "Mend that and run this again"}; '
            'it goes on from here.'
        )


def _with_signs_of_life(stream):
    """Yield the lines of a stream; report on them now and then."""
    lines = queue.Queue()

    def read():
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    start = reported = time.monotonic()
    step = None
    while True:
        wait = max(0.0, reported + SIGN_OF_LIFE - time.monotonic())
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            line = ''
        if line is None:
            return
        if line:
            step = parse_step(line) or step
            yield line
        now = time.monotonic()
        if now - reported >= SIGN_OF_LIFE:
            say(f'      {describe_progress(step, now - start)}')
            reported = now
