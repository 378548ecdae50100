"""Jobs in processes of their own, some at a time, with progress."""

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Sequence

from .configs import ROOT
from .runs import PRELOAD


@dataclass
class Job:
    """A function of :mod:`benchmarks.runs`, and what its result is for.

    Attributes:
        title (str): What it is, for the progress.
        function (Callable): It runs in a process of its own.
        arguments (dict): Its arguments.
        done (Callable): Takes the result, in this process.
    """

    title: str
    function: Callable[..., Any]
    arguments: dict
    done: Callable[[Any], None] = field(default=lambda result: None)


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how many jobs run at a time."""
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='runs at a time, one core each',
    )


def run_jobs(jobs: Sequence[Job], workers: int) -> None:
    """Run jobs; what is finished when one fails is kept.

    Ctrl-C, or SIGTERM to this process, starts nothing else, and waits for the
    results of what runs.

    Args:
        jobs (list[Job]): The jobs, independent of each other.
        workers (int): How many run at a time, each on one core.

    Raises:
        RuntimeError: If a job fails; the rest is not started. Or if this is
            no Python 3.11 or later.
    """
    if not jobs:
        return
    if sys.version_info < (3, 11):
        raise RuntimeError('the experiments need Python 3.11 or later')
    os.environ.update(
        OMP_NUM_THREADS='1',
        MKL_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
        # this clone's package, also where another one is installed
        PYTHONPATH=str(ROOT),
        PYTHONWARNINGS='ignore',
    )
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOAD)
    # by default SIGTERM ends this process, and its workers run on unheard
    default = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ProcessPoolExecutor(
            workers,
            mp_context=context,
            max_tasks_per_child=1,
            # a terminal sends it to them as well
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        ) as executor:
            run_in(executor, jobs, workers)
    finally:
        signal.signal(signal.SIGTERM, default)


def run_in(
    executor: ProcessPoolExecutor, jobs: Sequence[Job], workers: int
) -> None:
    """Run jobs in a pool that never has more of them than it can run."""
    start, waiting, finished = time.time(), deque(jobs), 0
    running: Dict[Future, Job] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.popleft()
                running[executor.submit(job.function, **job.arguments)] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running[future]
                result = future.result()
                job.done(result)
                del running[future]
                finished += 1
                say(start, finished, len(jobs), job.title, result)
    except BaseException as error:
        for future, other in running.items():
            if not future.exception():
                other.done(future.result())
        if not isinstance(error, Exception):
            raise
        raise RuntimeError(
            f'{job.title} failed: {error}. See console.log in '
            f'{job.arguments["work_dir"]}. Run this again to go on'
        ) from error


def say(start: float, number: int, total: int, title: str, result) -> None:
    """Print a line of progress with the time that is left."""
    passed = time.time() - start
    left = passed / number * (total - number) / 60
    if isinstance(result, dict):
        result = ', '.join(f'{k} {v:.1f}' for k, v in result.items())
    print(
        f'[{passed / 60:5.1f} min, {left:.0f} left] {number}/{total} {title}: '
        f'{result}',
        flush=True,
    )
