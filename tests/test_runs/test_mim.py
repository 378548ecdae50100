"""The ways of OpenMMLab to start things; need ``pip install .``."""

import sys

import pytest
from runs import FREEKD, config_path, short_run

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
    assert 'distill.loss_freekd' in out
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
    workspace.run(
        *MIM,
        'run',
        'mmfreekd',
        'make_shapes',
        'coco',
        'shapes',
        '--num-train',
        2,
        '--num-val',
        2,
    )
    assert (workspace.path / 'shapes/annotations').is_dir()
