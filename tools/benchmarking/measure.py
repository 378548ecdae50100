"""Time and memory of things that are compared with each other."""

import statistics
import time
from typing import Callable, Dict

import torch
from torch.profiler import ProfilerActivity, profile

Run = Callable[[], object]
CLOCKS = dict(wall=time.perf_counter, cpu=time.process_time)


def medians_in_turn(
    runs: Dict[str, Run],
    repeats: int,
    clock: str = 'wall',
    device: str = 'cpu',
) -> Dict[str, float]:
    """Median seconds of each, run in turn so that all share what disturbs.

    Args:
        runs (dict[str, Callable]): What to time, by name.
        repeats (int): Rounds that count; one before them does not.
        clock (str): ``'wall'``, or ``'cpu'`` for the CPU time of the process,
            which other processes disturb less. Defaults to 'wall'.
        device (str): Where the work is done. Defaults to 'cpu'.

    Returns:
        dict[str, float]: Seconds by name.
    """
    seconds: Dict[str, list] = {name: [] for name in runs}
    now = CLOCKS[clock]
    for _ in range(1 + repeats):
        for name, run in runs.items():
            wait_for(device)
            start = now()
            run()
            wait_for(device)
            seconds[name].append(now() - start)
    return {name: statistics.median(s[1:]) for name, s in seconds.items()}


def wait_for(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    if device == 'cuda':
        torch.cuda.synchronize()


def peak_extra_bytes(run: Run, device: str = 'cpu') -> int:
    """The most memory that PyTorch held at a time beyond what it held before.

    On a CPU the profiler notes every allocation and release of PyTorch's
    allocator; they are added up in their order. What a library takes by other
    ways is not seen. On a GPU it is what the caching allocator says.

    Args:
        run (Callable): What is measured. What it leaves behind counts.
        device (str): Where the work is done. Defaults to 'cpu'.

    Returns:
        int: Bytes.
    """
    run()  # what is made once and kept
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in events
        if event.name() == '[memory]'
    )
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak
