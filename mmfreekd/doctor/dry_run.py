"""A dry run: everything that would end a training, listed at once."""

import contextlib
import os
import random
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, List, Tuple
from unittest import mock

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODEL_WRAPPERS, RUNNERS
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin

from ..checkpoints import refuse_foreign
from ..checkpoints.resuming import check_resumable, latest_checkpoint
from ..engine.hooks import FreeKDHook
from ..explain import did_you_mean
from ..stages import is_tuned, set_prompt_ckpt, tuning_config
from .configs import KEYS
from .data import writable
from .report import Report
from .runner import CautiousRunner

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
TOGETHER = (
    ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    ('val_dataloader', 'val_cfg', 'val_evaluator'),
    ('test_dataloader', 'test_cfg', 'test_evaluator'),
)


def dry_run(cfg: Config) -> Report:
    """Build every part of a config and train two iterations of each stage.

    The real Runner does it, in a temporary folder: models, checkpoints, data,
    optimiser, schedulers, hooks, loops, one validation, and the export. The
    config, its work_dir and the random state stay as they are.

    Args:
        cfg (Config): The config, with ``work_dir``.

    Returns:
        Report: All problems, the table of the distillation losses, the
        parameters that train, and the memory of a step.
    """
    report = Report()
    with (
        tempfile.TemporaryDirectory() as folder,
        open(os.devnull, 'w') as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        for name, stage in stages(deepcopy(cfg), folder, report):
            report.stage, report.modules = name, {}
            with isolated(folder):
                examine(stage, folder, report)
    report.stage = ''
    return report


def stages(
    cfg: Config, folder: str, report: Report
) -> Iterator[Tuple[str, Config]]:
    """The config of each stage that training would run.

    Yields:
        tuple[str, Config]: What problems of the stage are marked with, and
        its config. Stage 2 takes the prompts of the dry run of stage 1; if
        there are none, it runs without.
    """
    work_dir = cfg.get('work_dir') or 'work_dirs'
    if not writable(work_dir):
        report.add(
            'work_dir',
            f'{work_dir!r} cannot be written: give another --work-dir',
        )
    known = {*KEYS, 'max_iters', 'lr'}
    for key in set(cfg.get('stage_1') or {}) - known:
        report.add(
            f'stage_1.{key}', f'nobody reads it{did_you_mean(key, known)}'
        )
    prompts = tuning = None
    with report.attempt('model.distiller'):
        prompts = set_prompt_ckpt(cfg)
    if prompts is not None:
        path = str(Path(folder) / 'stage_1' / 'prompts.pth')
        tuned = False
        with report.attempt('stage_1'):
            tuning = tuning_config(cfg, prompts)
        if tuning is not None:
            with report.attempt('model.distiller.prompt_ckpt'):
                tuned = is_tuned(prompts, tuning)
            if not tuned:
                prompts.owner['prompt_ckpt'] = path
                yield 'stage 1: ', tuning
        if not tuned and not os.path.exists(path):
            prompts.owner['prompt_ckpt'] = None
            prompts.owner['preset'] = dict(prompts.preset, num_prompts=0)
    yield '', cfg


def examine(cfg: Config, folder: str, report: Report) -> None:
    """Run one stage in a folder."""
    _check_launcher(cfg, report)
    _check_together(cfg, report)
    report.cfg = deepcopy(cfg._cfg_dict)
    if cfg.get('resume') and not cfg.get('load_from'):
        cfg.load_from = latest_checkpoint(cfg.get('work_dir') or '')
        cfg.resume = cfg.load_from is not None
    if cfg.get('resume'):
        with report.attempt('load_from'):
            check_resumable(cfg.load_from)
    cfg.work_dir = os.path.join(folder, 'stage_1' * bool(report.stage))
    cfg.launcher = 'none'
    kind = Runner
    with report.attempt('runner_type'):
        kind = _runner_type(cfg)
    for key in TOGETHER[2]:
        cfg[key] = None
    own = type('DryRunner', (CautiousRunner, kind), dict(report=report))
    runner = None
    with report.attempt('the runner'):
        runner = own.from_cfg(cfg)
    if runner is not None:
        if not runner.model_failed:
            refuse_foreign(runner.model)
        runner.register_hook(FreeKDHook())
        if cfg.get('train_cfg') is not None:
            with report.attempt('the training'):
                runner.train()


def _runner_type(cfg: Config) -> type:
    name = cfg.get('runner_type')
    if name is None:
        return Runner
    kind = RUNNERS.get(name)
    if kind is None:
        raise ValueError(
            f'{name!r} is no runner that is known'
            + did_you_mean(name, RUNNERS.module_dict)
        )
    return kind


def _check_launcher(cfg: Config, report: Report) -> None:
    launcher = cfg.get('launcher', 'none')
    if launcher not in LAUNCHERS:
        report.add(
            'launcher',
            f'must be one of {", ".join(LAUNCHERS)}, got {launcher!r}'
            + did_you_mean(str(launcher), LAUNCHERS),
        )
    elif launcher == 'pytorch' and 'RANK' not in os.environ:
        report.add(
            'launcher',
            'pytorch needs processes that torchrun started: use '
            'tools/dist_train.sh CONFIG GPUS, or set launcher to none',
        )
    backend = (cfg.get('env_cfg') or {}).get('dist_cfg', {}).get('backend')
    backends = torch.distributed.Backend.backend_list
    if backend is not None and backend not in backends:
        report.add(
            'env_cfg.dist_cfg.backend',
            f'must be one of {", ".join(backends)}, got {backend!r}',
        )
    wrapper = cfg.get('model_wrapper_cfg') or {}
    name = wrapper.get('type', 'MMDistributedDataParallel')
    if isinstance(name, str) and MODEL_WRAPPERS.get(name) is None:
        report.add(
            'model_wrapper_cfg',
            f'type={name!r} is no wrapper that is known'
            + did_you_mean(name, MODEL_WRAPPERS.module_dict),
        )


def _check_together(cfg: Config, report: Report) -> None:
    """What mmengine takes together or not at all."""
    for keys in TOGETHER:
        given = [key for key in keys if cfg.get(key) is not None]
        if given and len(given) < 3:
            missing = [key for key in keys if key not in given]
            report.add(
                ', '.join(missing),
                f'is missing, but {", ".join(given)} is there. Give all three '
                'or none',
            )
            for key in keys:
                cfg[key] = None
    if cfg.get('train_cfg') is None:
        report.add('train_cfg', 'there is nothing to train: give it')


@contextlib.contextmanager
def isolated(folder: str) -> Iterator[None]:
    """Leave random states, environment and mmengine's instances alone.

    Args:
        folder (str): Where temporary files go.
    """
    kinds = _managers(ManagerMixin)
    instances: List[Any] = [k._instance_dict.copy() for k in kinds]
    environment, temporary = dict(os.environ), tempfile.tempdir
    states = random.getstate(), np.random.get_state()
    tempfile.tempdir = folder
    try:
        # mmengine writes it five times, which takes seconds
        plain = mock.patch.object(Config, 'pretty_text', property(repr))
        with torch.random.fork_rng(), plain:
            yield
    finally:
        tempfile.tempdir = temporary
        random.setstate(states[0])
        np.random.set_state(states[1])
        os.environ.clear()
        os.environ.update(environment)
        known = dict(zip(kinds, instances))
        for kind in _managers(ManagerMixin):
            kind._instance_dict.clear()
            kind._instance_dict.update(known.get(kind, {}))


def _managers(kind: type) -> List[type]:
    return [kind] + [k for s in kind.__subclasses__() for k in _managers(s)]
