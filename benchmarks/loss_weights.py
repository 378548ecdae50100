"""The choice of each method's loss weight, on the validation split."""

import shutil
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from .configs import load
from .methods import SHARE_OF
from .pool import Job, run_jobs
from .rows import Results
from .runs import build_runner, run_config
from .tasks import FOLDER, REAL, config_of, fingerprint_of, options_of

SHARES = (2.0, 6.0, 18.0, 54.0)  # distillation / task loss at the start
REAL_SHARES = (1.0, 6.0, 36.0)
SEED = 100
LENGTH = 0.3  # of a training
BATCHES = 5  # over which losses are averaged


class LossWeights:
    """Tries weights in short trainings and knows the best.

    The weights are shares of the one at which distillation and task loss are
    equal at the start, the balance.

    Args:
        trials (Results): What has been tried.
        origin (dict): What a new row says of where it comes from.
    """

    def __init__(self, trials: Results, origin: Dict[str, str]) -> None:
        self.trials = trials
        self.origin = origin

    def choose(self, pairs: Sequence[Tuple[str, str]], workers: int) -> None:
        """Try what has not been tried yet.

        Args:
            pairs (list[tuple[str, str]]): Tasks and methods.
            workers (int): How many runs at a time.
        """
        run_jobs(self.balance_jobs(pairs), workers)
        own = [pair for pair in pairs if pair[1] not in SHARE_OF]
        run_jobs(self.tuning_jobs(own), workers)

    def balance_jobs(self, pairs: Sequence[Tuple[str, str]]) -> List[Job]:
        """Find the balances that are not known."""
        return [
            self._job(
                loss_ratio,
                f'{task} {method}, ratio of the losses',
                lambda ratio, key=key: self.trials.put(
                    key, value=1 / ratio, **self.origin
                ),
                config=config_of(task, method),
                options=options_of(task, method),
            )
            for task, method in pairs
            for key in [self._key(task, method, weight=None)]
            if self.trials.find(**key) is None
        ]

    def tuning_jobs(self, pairs: Sequence[Tuple[str, str]]) -> List[Job]:
        """Try weights; the balances must be known."""
        return [
            self._job(
                run_config,
                f'{task} {method}, weight {weight:.3g}',
                lambda metrics, key=key: self.trials.put(
                    key, value=metrics['val'], **self.origin
                ),
                config=config_of(task, method),
                options={
                    **options_of(task, method),
                    **weight_options(task, method, weight),
                    **length_options(task, LENGTH),
                },
                splits=['val'],
            )
            for task, method in pairs
            for weight in self.candidates(task, method)
            for key in [self._key(task, method, weight)]
            if self.trials.find(**key) is None
        ]

    def candidates(self, task: str, method: str) -> List[float]:
        """The weights to try."""
        key = self._key(task, method, weight=None)
        balance = self.trials.find(**key)['value']
        shares = REAL_SHARES if task in REAL else SHARES
        return [float(f'{balance * share:.3g}') for share in shares]

    def best(self, task: str, method: str) -> float:
        """The weight with the best metric, of those that have been tried."""
        tried = SHARE_OF.get(method, method)
        values = [
            self.trials.find(**self._key(task, tried, weight))['value']
            for weight in self.candidates(task, tried)
        ]
        return self.candidates(task, method)[values.index(max(values))]

    def _key(self, task: str, method: str, weight) -> dict:
        return dict(
            task=task,
            method=method,
            fingerprint=fingerprint_of(task, method),
            seed=SEED,
            weight=weight,
        )

    def _job(self, function, title, done, **arguments) -> Job:
        name = title.replace(', ', '_').replace(' ', '_')
        arguments.update(seed=SEED, work_dir=str(FOLDER / name))
        return Job(title, function, arguments, done)


def length_options(task: str, share: float) -> dict:
    """The options that shorten a task's trainings, schedule included."""
    iters = load(config_of(task, 'student'), {}, 0).max_iters
    short = round(share * iters)
    return {
        'train_cfg.max_iters': short,
        'train_cfg.val_interval': short,
        'param_scheduler.1.end': short,
    }


def weight_options(task: str, method: str, weight: float) -> dict:
    """The options that give the losses of a method's features a weight."""
    options = options_of(task, method)
    losses = load(config_of(task, method), options, 0).model.distiller
    return {
        f'model.distiller.distill_losses.{name}.loss_weight': weight
        for name in losses.distill_losses
        if name != 'loss_boxes'  # keeps its weight, like the task's losses
    }


def loss_ratio(config: str, options: dict, seed: int, work_dir: str) -> float:
    """How large the distillation loss is beside the task loss at the start.

    Args:
        config (str): The config of a distillation.
        options (dict): Dotted keys and their values.
        seed (int): The seed.
        work_dir (str): A folder for the log, removed at the end.

    Returns:
        float: The ratio over the first batches, without any training.
    """
    import torch

    runner = build_runner(load(config, options, seed), Path(work_dir))
    model = runner.model.train()
    model.init_weights()
    sums = dict(student=0.0, distill=0.0)
    with torch.no_grad():
        for _, batch in zip(range(BATCHES), runner.train_dataloader):
            losses = model(**model.data_preprocessor(batch, True), mode='loss')
            _, parts = model.parse_losses(losses)
            for name, value in parts.items():
                if 'loss' in name and '.' in name:
                    sums[name.split('.')[0]] += float(value)
    shutil.rmtree(work_dir)
    return sums['distill'] / sums['student']
