"""Distillations between tiny models, without files."""

import copy

import pytest
import tiny_models
from tiny_configs import det_config, seg_config, write_data

from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS

PLAIN = dict(name='paper', num_prompts=0)


@pytest.fixture
def distill():
    """Builds a RetinaNet that learns from another, or changes of it."""

    def distill(student=None, teacher=None, distiller=None, **changes):
        short = dict(source='neck', preset=PLAIN)
        teacher = teacher or tiny_models.retinanet(8, 12)
        return MODELS.build(
            dict(
                type='mmfreekd.FreeKDDistill',
                architecture=student or tiny_models.retinanet(),
                teacher=build_model(copy.deepcopy(teacher), 'teacher'),
                distiller=dict(
                    dict(type='mmfreekd.FreeKDDistiller'),
                    **(short if distiller is None else distiller),
                ),
                **changes,
            )
        )

    return distill


@pytest.fixture(scope='session')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('data')
    write_data(path)
    return path


@pytest.fixture(params=[det_config, seg_config], ids=['det', 'seg'])
def cfg(request, folder, tmp_path):
    """A distillation of two iterations or one epoch, that validates."""
    cfg = request.param(folder)
    cfg.work_dir = str(tmp_path / 'work_dir')
    by_epoch = request.param is det_config
    cfg.train_cfg = (
        dict(type='EpochBasedTrainLoop', max_epochs=1)
        if by_epoch
        else dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    )
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint.interval = 1 if by_epoch else 2
    cfg.default_hooks.pop('visualization')
    cfg.train_dataloader.dataset.indices = 4
    cfg.train_dataloader.batch_size = 2
    cfg.val_dataloader.dataset.indices = 3
    for step in cfg.val_dataloader.dataset.pipeline:
        if step.type == 'RandomFlip':
            step.prob = 0.0
    cfg.test_dataloader = cfg.val_dataloader
    cfg.test_evaluator = cfg.val_evaluator
    cfg.test_cfg = dict(type='TestLoop')
    cfg.experiment_name = str(tmp_path)
    return cfg
