"""Jobs in processes of their own, some at a time, with progress."""

import argparse
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence

import experiment_runs


@dataclass
class Job:
    """A function of :mod:`experiment_runs`, and what its result is for.

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

    SIGTERM, as Ctrl-C, takes the results of what runs (and of the one job that
    the pool has taken already), and starts nothing else.

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
    here = Path(__file__).resolve()
    os.environ.update(
        OMP_NUM_THREADS='1',
        MKL_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
        # this clone's package, also where another one is installed
        PYTHONPATH=os.pathsep.join([str(here.parents[2]), str(here.parent)]),
        PYTHONWARNINGS='ignore',
    )
    # without it, its end leaves them running, and nobody takes their results
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(experiment_runs.PRELOAD)
    start = time.time()
    with ProcessPoolExecutor(
        workers, mp_context=context, max_tasks_per_child=1
    ) as executor:
        waiting = {
            executor.submit(job.function, **job.arguments): job for job in jobs
        }
        try:
            for number, future in enumerate(as_completed(waiting), 1):
                job = waiting.pop(future)
                result = future.result()
                job.done(result)
                say(start, number, len(jobs), job.title, result)
        except BaseException as error:
            executor.shutdown(cancel_futures=True)
            for future, other in waiting.items():
                if not future.cancelled() and not future.exception():
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
