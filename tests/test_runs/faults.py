"""Kill a small training at random moments and see that nothing is lost.

    python tests/test_runs/faults.py --kills 30 --seed 0

Each start is killed with SIGKILL, together with the processes that load its
data: while it starts, between or inside iterations, or as soon as a
checkpoint is half written. The next start resumes. A run that came through is
compared with an undisturbed one, number by number, and another begins.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, List, Optional, Set, Tuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / 'tools')]

import _cli  # noqa: E402
import mmdet.models  # noqa: E402, F401
import mmrazor.models  # noqa: E402, F401
import mmseg.datasets  # noqa: E402, F401
import mmseg.models  # noqa: E402, F401
import torch  # noqa: E402
import train  # noqa: E402
from runs import FREEKD, make_workspace, train_command  # noqa: E402

from mmfreekd.checkpoints.resuming import NAME, check_resumable  # noqa: E402

ITERS = 12
OPTIONS = (
    'train_cfg.val_interval=4',
    'default_hooks.checkpoint.interval=2',
    'default_hooks.checkpoint.max_keep_ckpts=1',
    'default_hooks.checkpoint.save_best=mIoU',
)
SAME = ('state_dict', 'optimizer', 'param_schedulers', 'random_states')
PATIENCE = 600  # seconds


class Training:
    """A run in a folder of its own, started as often as needed.

    The process is forked, for imports take longer than the training.
    """

    def __init__(self, name: str) -> None:
        self.folder = Path(name)
        self.stale: Set[Tuple[str, int]] = set()
        self.console = Path(f'{name}.log')
        command = [
            str(word)
            for word in train_command(FREEKD['pspnet'], name, ITERS, *OPTIONS)
        ]
        self.argv = [*command[1:], '--resume']

    def start(self) -> int:
        """Start or resume it in a process group of its own."""
        sys.stdout.flush()
        self.console.write_text('')
        self.stale = self._temporary()
        pid = os.fork()
        os.setpgid(pid, pid)
        if pid:
            return pid
        console = os.open(self.console, os.O_WRONLY | os.O_APPEND)
        os.dup2(console, 1)
        os.dup2(console, 2)
        sys.argv = self.argv
        status = 1
        try:
            _cli.run(train.main)
            status = 0
        finally:
            os._exit(status)

    def iterations(self) -> int:
        """How many iterations this start has logged."""
        return self.console.read_text().count('Iter(train)')

    def half_written(self) -> bool:
        """Whether this start has begun to write a checkpoint."""
        return bool(self._temporary() - self.stale)

    def _temporary(self) -> Set[Tuple[str, int]]:
        """What is written by now, or was left by a kill."""
        found = set()
        for path in self.folder.glob('*.pth.tmp'):
            with contextlib.suppress(FileNotFoundError):  # just renamed
                found.add((path.name, path.stat().st_ctime_ns))
        return found

    def latest(self) -> int:
        """The iteration of ``last_checkpoint``, which has to be whole."""
        note = self.folder / 'last_checkpoint'
        if not note.exists():
            return 0
        path = note.read_text()
        check_resumable(path)
        return int(NAME.fullmatch(Path(path).name)[2])

    def kept(self) -> List[Path]:
        return sorted(self.folder.glob('*.pth'))


def moment(rng: random.Random, run: Training) -> Callable[[], bool]:
    """Choose when to kill: a function that says whether it is time."""
    kind = rng.choice(['write', 'write', 'iteration', 'iteration', 'time'])
    if kind == 'write':
        left = rng.randrange(1, 4)
        before = False

        def writing() -> bool:
            nonlocal left, before
            now = run.half_written()
            left -= now and not before
            before = now
            return now and left <= 0

        return writing
    if kind == 'iteration':
        count = rng.randrange(1, 6)
        return lambda: run.iterations() >= count
    until = time.time() + rng.uniform(0, 4)
    return lambda: time.time() > until


def start_and_kill(
    run: Training, is_time: Callable[[], bool]
) -> Optional[bool]:
    """Kill it when it is time.

    Returns:
        bool | None: Whether a checkpoint was half written then; None if the
        run ended before.
    """
    pid = run.start()
    end = time.time() + PATIENCE
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(
                    f'the run failed:\n{run.console.read_text()[-3000:]}'
                )
            return None
        if is_time():
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return run.half_written()
        if time.time() > end:
            os.killpg(pid, signal.SIGKILL)
            raise SystemExit(f'{run.folder} hangs')
        time.sleep(0.0005)


def compare(run: Training, whole: Training) -> None:
    """Raise ``AssertionError`` unless both have kept the same."""
    names = [path.name for path in whole.kept()]
    assert [path.name for path in run.kept()] == names, run.kept()
    for name in names:
        ours, theirs = (torch.load(r.folder / name) for r in (run, whole))
        for key in SAME:
            assert same(ours.get(key), theirs.get(key)), f'{name}: {key}'


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, every number of them."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def torment(kills: int, seed: int) -> None:
    """Kill so many times, in as many runs as it takes.

    Args:
        kills (int): How often.
        seed (int): Of the moments.

    Raises:
        AssertionError: If a run ended differently, a checkpoint was lost, or
            ``last_checkpoint`` names a broken one.
    """
    rng = random.Random(seed)
    whole = Training('whole')
    assert start_and_kill(whole, lambda: False) is None
    done = inside = runs = 0
    while done < kills:
        runs += 1
        run = Training(f'run_{runs}')
        reached = 0
        while True:
            is_time = moment(rng, run) if done < kills else lambda: False
            half = start_and_kill(run, is_time)
            if half is None:
                break
            done += 1
            inside += half
            latest = run.latest()
            assert latest >= reached, 'a checkpoint was lost'
            reached = latest
            print(
                f'kill {done}/{kills}: run {runs}, checkpoint of iteration '
                f'{latest}' + ', another half written' * half,
                flush=True,
            )
        compare(run, whole)
        print(f'run {runs} ended as the undisturbed one', flush=True)
    print(
        f'seed {seed}: {done} kills, {inside} of them inside a checkpoint '
        f'write, {runs} runs, all identical to the undisturbed one'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=30)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ[name] = '1'
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix='faults_'))
    try:
        make_workspace(folder)
        os.chdir(folder)
        torment(args.kills, args.seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
