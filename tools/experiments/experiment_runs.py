"""One run of an experiment: train a config, evaluate it on named splits."""

import copy
import dataclasses
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import _cli  # noqa: E402, F401  this clone's package, not an installed one

from mmfreekd.presets import PRESETS, Preset  # noqa: E402

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
VALIDATION = ('val_cfg', 'val_dataloader', 'val_evaluator')
TEST = ('test_cfg', 'test_dataloader', 'test_evaluator')
RANDOM_STATE = 'mmfreekd.RandomStateHook'
WRITERS = ('mmfreekd.PlainCheckpointHook', 'mmfreekd.StudentCheckpointHook')
STUDENT = 'student.pth'  # in the folder of a run whose student is kept
POINTS = 5  # of the curve of the metric


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
    """A short hash of all that a config says, wherever its clone lies.

    Presets are part of it by what they have otherwise than by default, so
    that rows outlive a new field; a default that changes is not noticed.
    """
    said = json.dumps(cfg.to_dict(), sort_keys=True, default=str)
    for name, preset in PRESETS.items():
        if f'"preset": "{name}"' in said:
            said += str(changes(preset))
    said = said.replace(str(ROOT), '')
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def changes(preset: Preset) -> Dict[str, Any]:
    """What a preset has otherwise than by default."""
    return {
        field.name: getattr(preset, field.name)
        for field in dataclasses.fields(preset)
        if getattr(preset, field.name) != field.default
    }


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
        work_dir (str): Folder of the run; what an earlier one left there is
            removed.
        keep (str): What is left of the folder. ``'nothing'``; ``'student'``:
            the logs, with the metric on the validation split at intervals,
            and the plain student, ``student.pth``; ``'checkpoints'``: the
            logs and what the config's hooks write. Defaults to
            ``'nothing'``.

    Returns:
        dict[str, float]: For each split the metric that the config's
        ``metric`` names, in percent.
    """
    cfg = load(config, options, seed)
    runner = build_runner(cfg, Path(work_dir), keep)
    runner.train()
    metrics = measure(runner.model, cfg, splits, work_dir)
    if keep == 'student':
        save_student(runner, f'{work_dir}/{STUDENT}')
    elif keep == 'nothing':
        shutil.rmtree(work_dir)
    return metrics


def save_student(runner, path: str) -> None:
    """Write the student of a training as a checkpoint of a plain model."""
    from mmfreekd.checkpoints import save_atomically

    student = getattr(runner.model, 'architecture', runner.model)
    seen = runner.train_dataloader.dataset.metainfo
    meta = dict(dataset_meta={k: seen[k] for k in ('classes', 'palette')})
    save_atomically(dict(meta=meta, state_dict=student.state_dict()), path)


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


def build_runner(cfg: Config, folder: Path, keep: str = 'nothing'):
    """Build a runner that prints into its folder, see :func:`run_config`.

    It trains only; where the student is kept, it also validates.

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
    unused = TEST if keep == 'student' else VALIDATION + TEST
    cfg = Config(dict(cfg.to_dict(), **dict.fromkeys(unused)))
    cfg.work_dir = str(folder)
    if keep != 'checkpoints':
        cfg.default_hooks.checkpoint = None
        cfg.custom_hooks = without_writers(cfg.get('custom_hooks') or [])
    if keep == 'student':
        cfg.train_cfg.val_interval = -(-cfg.train_cfg.max_iters // POINTS)
    return Runner.from_cfg(cfg)


def without_writers(hooks: Sequence[dict]) -> List[dict]:
    """A config's hooks but those that write checkpoints."""
    others = [h for h in hooks if h['type'] not in (RANDOM_STATE, *WRITERS)]
    # with it, the training does not notice the validation
    return [dict(type=RANDOM_STATE), *others]


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
