"""Two processes on the CPU get past the iteration that waits for gradients."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TRAIN = Path(__file__).parents[2] / 'tools' / 'train.py'
SYNC = dict(type='SyncBN', requires_grad=True)


def from_the_teacher_alone(cfg):
    cfg.model.calculate_student_loss = False
    cfg.train_dataloader.dataset.pipeline = [
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if step.type != 'LoadAnnotations'
    ]


def one_level(cfg):
    cfg.model.calculate_student_loss = False
    cfg.model.distiller.data_idx = [1]


def sync_bn(cfg):
    cfg.sync_bn = 'torch'
    for part in ('architecture', 'teacher'):
        cfg.model[part].backbone.norm_cfg = SYNC


def stopped(cfg):
    hook = dict(type='mmfreekd.StopDistillHook', stop_iter=1)
    cfg.custom_hooks = [hook]


@pytest.mark.parametrize(
    'change, name',
    [
        (from_the_teacher_alone, 'seg'),
        (one_level, 'det'),
        (sync_bn, 'seg'),
        (stopped, 'seg'),
    ],
)
def test_two_processes(change, name, folder, tmp_path):
    from tiny_configs import det_config, seg_config

    cfg = dict(det=det_config, seg=seg_config)[name](folder)
    change(cfg)
    cfg.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=3, val_interval=9
    )
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=3
    )
    cfg.train_dataloader.sampler.type = 'InfiniteSampler'
    cfg.train_dataloader.batch_size = 2
    cfg.val_dataloader.dataset.indices = 2
    cfg.dump(tmp_path / 'freekd.py')
    run = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    run += ['--nproc-per-node=2', str(TRAIN), 'freekd.py', '--launcher']
    done = subprocess.run(
        [*run, 'pytorch', '--work-dir', 'out'],
        cwd=tmp_path,
        env=dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert (tmp_path / 'out/student_iter_3.pth').is_file()
