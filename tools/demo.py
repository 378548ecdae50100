"""Run FreeKD from end to end on two small data sets, on the CPU.

A RepPoints pair on a COCO-format set and a PSPNet pair on a
Cityscapes-format set. Safe to repeat: finished steps are
skipped, an interrupted one goes on where it was.
"""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import List, Optional, Tuple

sys.path.insert(0, str(Path(__file__).parent))
from demo_steps import Step  # noqa: E402
from demo_tasks import DEMO_DIR, TASKS, steps_of  # noqa: E402

MINUTES = 13  # on two cores
WORKERS = 2  # a step takes one core
EVERY = 20  # seconds between two lines of progress


class Demo:
    """Runs the steps of both tasks, two at a time, each when it can be."""

    def __init__(self) -> None:
        self.start = time.time()
        self.stopped = threading.Event()
        self.changed = threading.Condition()
        self.waiting = [
            (task, f'{number}/{len(steps)} {step.title}', step)
            for task, steps in ((t, steps_of(TASKS[t])) for t in TASKS)
            for number, step in enumerate(steps, 1)
        ]
        self.finished: List[Path] = []  # the folders of finished steps
        self.environment = dict(
            os.environ,
            OMP_NUM_THREADS='1',
            MKL_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='-1',
            PYTHONWARNINGS='ignore',
        )

    def say(self, task: str, text: str) -> None:
        """Print a line with the time since the start."""
        minutes, seconds = divmod(int(time.time() - self.start), 60)
        print(f'[{minutes:02d}:{seconds:02d}] {task:9} {text}', flush=True)

    def work(self) -> None:
        """Run steps until there are none left, or something fails."""
        try:
            while (job := self._next_job()) is not None:
                self._run_job(*job)
        except BaseException:
            self.stopped.set()
            raise
        finally:
            with self.changed:
                self.changed.notify_all()

    def _next_job(self) -> Optional[Tuple[str, str, Step]]:
        with self.changed:
            while self.waiting and not self.stopped.is_set():
                for job in self.waiting:
                    needs = job[2].needs
                    if needs is None or needs.folder in self.finished:
                        self.waiting.remove(job)
                        return job
                self.changed.wait(timeout=1)
        return None

    def _run_job(self, task: str, label: str, step: Step) -> None:
        if step.is_done():
            self.say(task, f'{label}: done before, {step.outcome()}')
        else:
            step.prepare()
            self.say(task, f'{label}: starts')
            if not self._run_step(task, label, step):
                return
            step.finish()
            self.say(task, f'{label}: {step.outcome()}')
        with self.changed:
            self.finished.append(step.folder)
            self.changed.notify_all()

    def _run_step(self, task: str, label: str, step: Step) -> bool:
        with open(step.console, 'a') as console:
            process = subprocess.Popen(
                step.command,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        said = time.time()
        while process.poll() is None:
            time.sleep(0.5)
            if self.stopped.is_set():
                process.terminate()
                process.wait()
                return False
            if time.time() - said > EVERY:
                said = time.time()
                self.say(task, f'{label}: {step.progress()}')
        if process.returncode:
            tail = step.console.read_text(errors='replace').splitlines()[-25:]
            raise RuntimeError(
                f'{task}: {step.title} failed (exit status '
                f'{process.returncode}). The end of {step.console}:\n'
                + '\n'.join(tail)
            )
        return True

    def run(self) -> None:
        """Run all steps and stop all where one fails."""
        with ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(self.work) for _ in range(WORKERS)]
            try:
                for future in as_completed(futures):
                    future.result()
            finally:
                self.stopped.set()


def main() -> None:
    """Run the demo and write its report."""
    os.chdir(Path(__file__).resolve().parents[1])
    done = [
        step.is_done() for task in TASKS.values() for step in steps_of(task)
    ]
    share = 1 - sum(done) / len(done)
    print(
        f'FreeKD demo: {sum(done)} of {len(done)} steps are done; the rest '
        f'takes about {max(1, round(MINUTES * share))} minutes on two '
        f'cores. Logs and checkpoints: {DEMO_DIR}/',
        flush=True,
    )
    try:
        Demo().run()
    except RuntimeError as error:
        raise SystemExit(
            f'\n{error}\n\nMend it and run this again: finished '
            'steps are kept.'
        )
    except KeyboardInterrupt:
        raise SystemExit('\nStopped. Run this again to go on from here.')
    from demo_report import write_report  # slow, for it draws

    print(write_report())


if __name__ == '__main__':
    main()
