"""One run of an experiment: train a config, evaluate it on named splits."""

import copy
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Dict, Sequence

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import _cli  # noqa: E402, F401  this clone's package, not an installed one

from mmfreekd.presets import PRESETS  # noqa: E402

# what a forked process need not import again
PRELOAD = [
    'mmfreekd.registry',  # first: it lets MMRazor import
    'mmdet.datasets',
    'mmdet.engine',
    'mmdet.evaluation',
    'mmdet.models',
    'mmrazor.models',
    'mmseg.datasets',
    'mmseg.evaluation',
    'mmseg.models',
    'experiment_runs',
]
UNUSED = ('val_cfg', 'val_dataloader', 'val_evaluator', 'test_cfg')
UNUSED += ('test_dataloader', 'test_evaluator')
BATCHES = 5  # over which losses are averaged


def load(config: str, options: dict, seed: int) -> Config:
    """Read a config and put options and seed into it.

    Args:
        config (str): The config file.
        options (dict): Dotted keys and their values.
        seed (int): The seed.

    Returns:
        Config: The config.
    """
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options)
    cfg.randomness = dict(seed=seed)
    return cfg


def fingerprint(cfg: Config) -> str:
    """A short hash of all that a config says, wherever its clone lies."""
    text = cfg.pretty_text.replace(str(ROOT), '')
    if "preset='" in text:
        text += str(PRESETS)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_config(
    config: str,
    options: dict,
    seed: int,
    splits: Sequence[str],
    work_dir: str,
    keep: bool = False,
) -> Dict[str, float]:
    """Train a config and evaluate it; meant for a process of its own.

    Args:
        config (str): The config file.
        options (dict): Dotted keys and their values.
        seed (int): The seed.
        splits (list[str]): Names in the config's ``splits``, each with the
            changes that make ``val_dataloader`` and ``val_evaluator`` those
            of the split.
        work_dir (str): Folder of the run; what an earlier one left there is
            removed.
        keep (bool): Whether to write checkpoints and keep the folder.
            Defaults to False.

    Returns:
        dict[str, float]: For each split the metric that the config's
        ``metric`` names, in percent.
    """
    cfg = load(config, options, seed)
    runner = build_runner(cfg, Path(work_dir), keep)
    runner.train()
    metrics = measure(runner.model, cfg, splits, work_dir)
    if not keep:
        shutil.rmtree(work_dir)
    return metrics


def measure(
    model, cfg: Config, splits: Sequence[str], work_dir: str
) -> Dict[str, float]:
    """Evaluate a model on splits, see :func:`run_config`."""
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
        value = runner.test()[cfg.metric]
        share = 'coco/' in cfg.metric  # the others are in percent
        metrics[split] = float(100 * value if share else value)
    return metrics


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


def build_runner(cfg: Config, folder: Path, keep: bool = False):
    """Build a runner that trains only, and let it print into its folder.

    Raises:
        FileExistsError: If the folder holds what this has not written.
    """
    from mmengine.runner import Runner

    log = folder / 'console.log'
    if folder.exists() and any(folder.iterdir()):
        if not log.is_file():
            raise FileExistsError(
                f'{folder} holds another run: move it away, or rename the '
                'config'
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    console = open(log, 'w')
    for stream in (sys.stdout, sys.stderr):
        os.dup2(console.fileno(), stream.fileno())
    cfg = Config(dict(cfg.to_dict(), **dict.fromkeys(UNUSED)))
    cfg.work_dir = str(folder)
    if not keep:
        cfg.default_hooks.checkpoint = None
        cfg.custom_hooks = []
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
        dict[str, float]: As of :func:`run_config`.
    """
    from mmengine.runner import load_checkpoint

    cfg = load(config, {}, 0)
    model = build_runner(cfg, Path(work_dir)).model
    load_checkpoint(model, checkpoint, strict=True)
    metrics = measure(model, cfg, splits, work_dir)
    shutil.rmtree(work_dir)
    return metrics
