"""A folder in which the demo's configs run, on very little data."""

import os
import subprocess
import sys
from pathlib import Path
from typing import List

import torch
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
TEACHERS = dict(
    reppoints='reppoints_r18w32_shapes', pspnet='pspnet_r18w32_shapes'
)
STUDENTS = dict(
    reppoints='reppoints_r18w8_shapes', pspnet='pspnet_r18w8_shapes'
)
FREEKD = dict(
    reppoints='freekd_neck_reppoints_r18w32_reppoints_r18w8_shapes',
    pspnet='freekd_backbone_pspnet_r18w32_pspnet_r18w8_shapes',
)


def config_path(name: str) -> str:
    return str(ROOT / 'configs' / 'demo' / f'{name}.py')


class Workspace:
    """Runs commands in a folder that looks as after the demo's teachers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def environment(self) -> dict:
        return dict(
            os.environ,
            OMP_NUM_THREADS='1',
            MKL_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            PYTHONWARNINGS='ignore',
        )

    def start(self, command: List[str], console: str) -> subprocess.Popen:
        """Start a command that prints into a file."""
        with open(self.path / console, 'a') as out:
            return subprocess.Popen(
                [str(word) for word in command],
                cwd=self.path,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    def run(
        self, *command, status: int = 0, timeout: int = 300, cwd: Path = None
    ) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            timeout=timeout,
        )
        assert done.returncode == status, done.stdout[-6000:]
        return done.stdout

    def train(
        self, name: str, work_dir: str, iters: int, *options: str, **kwargs
    ) -> str:
        """Run tools/train.py for some iterations."""
        return self.run(
            *train_command(name, work_dir, iters, *options), **kwargs
        )


def train_command(
    name: str, work_dir: str, iters: int, *options: str
) -> List[str]:
    return [
        sys.executable,
        ROOT / 'tools' / 'train.py',
        config_path(name),
        '--work-dir',
        work_dir,
        *short_run(iters, *options),
    ]


def short_run(iters: int, *options: str) -> List[str]:
    """Options for a few iterations of each stage, every one logged."""
    return [
        '--cfg-options',
        f'stage_1.max_iters={iters}',
        f'train_cfg.max_iters={iters}',
        f'train_cfg.val_interval={iters}',
        'train_dataloader.batch_size=4',
        'default_hooks.logger.interval=1',
        *options,
    ]


def make_workspace(path: Path) -> Workspace:
    import mmfreekd.registry  # noqa: F401
    from benchmarks.shapes.dataset import make
    from benchmarks.shapes.recipe import Recipe
    from mmfreekd.models.zoo import build_model

    workspace = Workspace(path)
    recipe = Recipe(num_train=16, num_val=6, size=(96, 96))
    for style in ('coco', 'cityscapes'):
        make(style, path / 'data' / 'demo' / style, recipe)
    for task, name in TEACHERS.items():
        torch.manual_seed(0)
        model = build_model(dict(cfg_path=config_path(name)), 'teacher')
        model.init_weights()
        target = (
            path
            / Config.fromfile(config_path(FREEKD[task])).model.teacher_ckpt
        )
        target.parent.mkdir(parents=True)
        torch.save(dict(meta={}, state_dict=model.state_dict()), target)
    return workspace
