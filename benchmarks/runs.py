"""One run of an experiment: train a config, evaluate it on named splits."""

import copy
import os
import shutil
import sys
from pathlib import Path
from typing import Dict, Sequence

from mmengine.config import Config

from .configs import fingerprint, load, tuning_of

# what a forked process need not import again
PRELOAD = [
    'mmfreekd.registry',
    'mmdet.datasets',
    'mmdet.engine',
    'mmdet.evaluation',
    'mmdet.models',
    'mmrazor.models',
    'mmseg.datasets',
    'mmseg.evaluation',
    'mmseg.models',
    'benchmarks.runs',
]
RANDOM_STATE = 'mmfreekd.RandomStateHook'
STUDENT = 'student.pth'  # in the folder of a run whose student is kept


def run_config(
    config: str,
    options: dict,
    seed: int,
    splits: Sequence[str],
    work_dir: str,
    keep: str = 'nothing',
) -> Dict[str, float]:
    """Train a config and evaluate it; meant for a process of its own.

    Args:
        config (str): The config file.
        options (dict): Dotted keys and their values.
        seed (int): The seed.
        splits (list[str]): Names in the config's ``splits``, each with the
            changes that make ``val_dataloader`` and ``val_evaluator`` those
            of the split.
        work_dir (str): Folder of the run. A training of the same config that
            was stopped there goes on from its last checkpoint; what another
            config left there is removed.
        keep (str): What is left of the folder. ``'nothing'``; ``'student'``:
            the logs and the plain student, ``student.pth``;
            ``'checkpoints'``: the logs and what the config's hooks write.
            Defaults to ``'nothing'``.

    Returns:
        dict[str, float]: As of :func:`measure`.
    """
    cfg = load(config, options, seed)
    runner = build_runner(cfg, Path(work_dir), resume=True)
    runner.train()
    metrics = measure(runner.model, cfg, splits, work_dir)
    if keep == 'nothing':
        shutil.rmtree(work_dir)
    elif keep == 'student':
        save_student(runner, f'{work_dir}/{STUDENT}')
        for checkpoint in Path(work_dir).glob('iter_*.pth'):
            checkpoint.unlink()
    return metrics


def tune_prompts(
    config: str, options: dict, work_dir: str
) -> Dict[str, float]:
    """Tune the prompts of a config, stage 1.

    Args:
        config (str): The config file.
        options (dict): Dotted keys and their values.
        work_dir (str): Where the logs go.

    Returns:
        dict[str, float]: The prompted teacher's metric, see :func:`measure`.
    """
    cfg = tuning_of(load(config, options, 0))
    runner = build_runner(cfg, Path(work_dir), resume=True)
    runner.train()
    return measure(runner.model, cfg, ['val'], work_dir)


def save_student(runner, path: str) -> None:
    """Write the student of a training as a checkpoint of a plain model."""
    from mmfreekd.checkpoints import save_atomically

    student = getattr(runner.model, 'student', runner.model)
    seen = runner.train_dataloader.dataset.metainfo
    meta = dict(dataset_meta={k: seen[k] for k in ('classes', 'palette')})
    save_atomically(dict(meta=meta, state_dict=student.state_dict()), path)


def measure(
    model, cfg: Config, splits: Sequence[str], work_dir: str
) -> Dict[str, float]:
    """Evaluate a model on splits, see :func:`run_config`.

    Returns:
        dict[str, float]: For each split what the config's ``metric`` names,
        in percent, and as ``SPLIT_NAME`` what its ``more_metrics`` do.
    """
    from mmengine.runner import Runner

    metrics = {}
    for split in splits:
        changed = copy.deepcopy(cfg)
        changed.merge_from_dict(cfg.splits[split])
        runner = Runner(
            model=model,
            work_dir=work_dir,
            test_dataloader=changed.val_dataloader,
            test_cfg=dict(type='TestLoop'),
            test_evaluator=changed.val_evaluator,
            default_scope=cfg.default_scope,
            experiment_name=f'{Path(work_dir).name}_{split}',
        )
        found = runner.test()
        names = {split: cfg.metric}
        for name, metric in cfg.get('more_metrics', {}).items():
            names[f'{split}_{name}'] = metric
        for name, metric in names.items():
            share = 'coco/' in metric  # the others are in percent
            metrics[name] = float(found[metric] * (100 if share else 1))
    return metrics


def build_runner(cfg: Config, folder: Path, resume: bool = False):
    """Build a runner that prints into its folder, see :func:`run_config`.

    Raises:
        FileExistsError: If the folder holds what this has not written.
    """
    from mmengine.runner import Runner

    from mmfreekd.checkpoints.resuming import latest_checkpoint

    from . import models  # noqa: F401  registers them

    log, mark = folder / 'console.log', folder / 'fingerprint'
    if folder.exists() and any(folder.iterdir()):
        if not log.is_file():
            raise FileExistsError(
                f'{folder} holds another run: move it away, or rename the '
                'config'
            )
        if not (mark.is_file() and mark.read_text() == fingerprint(cfg)):
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(fingerprint(cfg))
    console = open(log, 'a')
    for stream in (sys.stdout, sys.stderr):
        os.dup2(console.fileno(), stream.fileno())
    if resume:
        cfg.load_from = latest_checkpoint(str(folder))
        cfg.resume = cfg.load_from is not None
    cfg = Config(dict(cfg.to_dict(), work_dir=str(folder)))
    for unused in ('test_cfg', 'test_dataloader', 'test_evaluator'):
        cfg[unused] = None
    hooks = cfg.get('custom_hooks') or []
    if not any(hook['type'] == RANDOM_STATE for hook in hooks):
        # a training resumes exactly, and does not notice its validation
        cfg.custom_hooks = [dict(type=RANDOM_STATE), *hooks]
    return Runner.from_cfg(cfg)


def test_checkpoint(
    config: str, checkpoint: str, splits: Sequence[str], work_dir: str
) -> Dict[str, float]:
    """Evaluate a checkpoint of a plain model.

    Args:
        config (str): Its config.
        checkpoint (str): Its checkpoint.
        splits (list[str]): As in :func:`run_config`.
        work_dir (str): A folder for the log, removed at the end.

    Returns:
        dict[str, float]: As of :func:`measure`.
    """
    from mmengine.runner import load_checkpoint

    cfg = load(config, {}, 0)
    model = build_runner(cfg, Path(work_dir)).model
    load_checkpoint(model, checkpoint, strict=True)
    metrics = measure(model, cfg, splits, work_dir)
    shutil.rmtree(work_dir)
    return metrics
