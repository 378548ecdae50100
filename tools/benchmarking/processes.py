"""FreeKD's training step in one process and in several."""

import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from torch.multiprocessing.spawn import spawn

from mmfreekd.registry import MODELS

from .pairs import Pair, Step, detection_batch, small_config


def seconds_of_a_step(pair: Pair, processes: int, repeats: int) -> float:
    """Median seconds of a step, each process with its own batch, one thread.

    Gradients are averaged by ``DistributedDataParallel``, which looks for no
    unused parameters; alone there is nothing to average.

    Args:
        pair (Pair): A pair of detectors.
        processes (int): How many there are, on the CPU.
        repeats (int): Steps that count; one before them does not.

    Returns:
        float: The slowest process's median.
    """
    with tempfile.TemporaryDirectory() as folder:
        spawn(_train, (pair, processes, repeats, folder), processes)
        files = Path(folder).glob('seconds*')
        return max(float(file.read_text()) for file in files)


def _train(
    rank: int, pair: Pair, processes: int, repeats: int, folder: str
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=processes,
    )
    torch.manual_seed(rank)
    with DefaultScope.overwrite_default_scope(pair.scope):
        model = MODELS.build(small_config(pair))
    step = Step(model, detection_batch(pair))
    step.model = MMDistributedDataParallel(step.model)
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    Path(folder, f'seconds{rank}').write_text(
        str(statistics.median(seconds[1:]))
    )
    dist.destroy_process_group()
