"""The ways of OpenMMLab to start things; need ``pip install .``."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from runs import FREEKD, ROOT, config_path, short_run

from mmfreekd.models.zoo import build_model

MIM = (sys.executable, '-m', 'mim')
# a detector that has hardly been trained is sure of nothing
UNSURE = ('--cfg-options', 'model.architecture.test_cfg.score_thr=0')
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def trained(workspace):
    """mim finds the config by its name, in the installed package."""
    out = workspace.run(
        *MIM,
        'train',
        'mmfreekd',
        f'{FREEKD["reppoints"]}.py',
        '--work-dir',
        'mim',
        *short_run(2),
    )
    assert 'loss_dissimilarity' in out and 'distill.loss_freekd' in out
    return workspace.path / 'mim' / 'iter_2.pth'


def test_mim_train_and_test_mmfreekd(workspace, trained):
    out = workspace.run(
        *MIM,
        'test',
        'mmfreekd',
        f'{FREEKD["reppoints"]}.py',
        '--checkpoint',
        trained,
        '--work-dir',
        'mim_test',
        *UNSURE,
    )
    assert 'coco/bbox_mAP' in out


def test_mim_test_mmrazor_with_the_startup_hook(workspace, trained):
    mmfreekd = (sys.executable, '-m', 'mmfreekd.compat')
    before = workspace.run(*mmfreekd)
    command = (
        *MIM,
        'test',
        'mmrazor',
        config_path(FREEKD['reppoints']),
        '--checkpoint',
        trained,
        '--work-dir',
        'mim_razor',
        *UNSURE,
    )
    try:
        workspace.run(*mmfreekd, '--enable')
        assert 'coco/bbox_mAP' in workspace.run(*command)
    finally:
        if ' off ' in before:
            workspace.run(*mmfreekd, '--disable')


def test_mim_run_finds_the_other_tools(workspace):
    # OneDL's mim takes -h for itself
    ran = subprocess.run(
        [*MIM, 'run', 'mmfreekd', 'publish_student'],
        cwd=workspace.path,
        capture_output=True,
        text=True,
    )
    assert 'usage' in ran.stdout + ran.stderr


# what is to be trained, then paths and sizes
ZOO = dict(
    coco=(
        'freekd_retinanet_r101_r50_2x_coco',
        'model.architecture.backbone.init_cfg.checkpoint=backbone.pth',
        'train_cfg.max_epochs=1',
        'train_dataloader.dataset.pipeline.2.scale="(96,96)"',
        'val_dataloader.dataset.pipeline.1.scale="(96,96)"',
        'val_evaluator.ann_file=data/zoo/coco/annotations/'
        'instances_val2017.json',
        UNSURE[1],
    ),
    cityscapes=(
        'freekd_pspnet_r101_r18_40k_cityscapes-512x512',
        'model.architecture.pretrained=backbone.pth',
        'model.architecture.data_preprocessor.size="(96,96)"',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'train_dataloader.dataset.pipeline.2.scale="(96,96)"',
        'train_dataloader.dataset.pipeline.3.crop_size="(96,96)"',
        'val_dataloader.dataset.pipeline.1.scale="(96,96)"',
    ),
)


@pytest.mark.parametrize('data', ZOO)
def test_mim_trains_a_pair_of_the_zoo(workspace, data):
    name, *options = ZOO[data]
    root = f'data/zoo/{data}/'
    make_data(workspace.path, data)
    make_weights(workspace.path, name)
    out = workspace.run(
        *MIM,
        'train',
        'mmfreekd',
        f'{name}.py',
        '--work-dir',
        name,
        '--cfg-options',
        'model.teacher_ckpt=teacher.pth',
        'stage_1.max_iters=2',
        f'train_dataloader.dataset.data_root={root}',
        f'val_dataloader.dataset.data_root={root}',
        'train_dataloader.dataset.indices=4',
        'val_dataloader.dataset.indices=2',
        'default_hooks.logger.interval=1',
        *options,
        timeout=900,
    )
    assert 'loss_dissimilarity' in out and 'distill.loss_freekd' in out
    assert dict(coco='coco/bbox_mAP', cityscapes='mIoU')[data] in out
    assert list((workspace.path / name).glob('student_*.pth'))


def make_data(folder: Path, data: str) -> None:
    """The demo's data set, its classes called as the first of COCO."""
    shutil.copytree(folder / 'data/demo' / data, folder / 'data/zoo' / data)
    for path in (folder / 'data/zoo/coco').glob('annotations/*.json'):
        content = json.loads(path.read_text())
        names = CocoDataset.METAINFO['classes']
        ids = [category['id'] for category in content['categories']]
        ids += range(100, 100 + len(names) - len(ids))
        content['categories'] = [
            dict(id=id_, name=name) for id_, name in zip(ids, names)
        ]
        path.write_text(json.dumps(content))


def make_weights(folder: Path, name: str) -> None:
    """Random ones in place of those of the zoo."""
    (path,) = (ROOT / 'configs/freekd').rglob(f'{name}.py')
    model = Config.fromfile(path).model
    teacher = build_model(dict(model.teacher), 'teacher')
    student = build_model(dict(model.architecture), 'architecture')
    torch.save(teacher.state_dict(), folder / 'teacher.pth')
    torch.save(student.backbone.state_dict(), folder / 'backbone.pth')
