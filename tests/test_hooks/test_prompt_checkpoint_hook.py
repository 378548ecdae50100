import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_models
import torch
from mmengine.logging import MessageHub
from torch import nn
from torch.testing import assert_close

from mmfreekd import __version__
from mmfreekd.checkpoints.prompts import load_prompts
from mmfreekd.models import FreeKDLoss, FrequencyPrompt
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import HOOKS, MODELS


@pytest.fixture(scope='module')
def tuning():
    """Stage 1 on a detector that is built already."""
    cfg = tiny_models.prompt_tuning(None, None, 8, num_levels=3)
    cfg.architecture = build_model(tiny_models.retinanet(), 'teacher')
    return MODELS.build(cfg)


@pytest.fixture
def runner(tuning, tmp_path):
    """What the hook asks of a Runner."""
    return SimpleNamespace(
        model=tuning,
        work_dir=str(tmp_path),
        iter=20,
        max_iters=20,
        logger=logging.getLogger('test'),
        message_hub=MessageHub.get_instance(str(tmp_path)),
    )


@pytest.fixture
def finish(runner):
    """Ends a stage 1 in which the masks overlapped so; gives the file."""

    def finish(overlaps=(0.9, 0.7, 0.5), **kwargs):
        hook = HOOKS.build(
            dict(type='mmfreekd.PromptCheckpointHook', **kwargs)
        )
        for overlap in overlaps:
            # as mmengine's RuntimeInfoHook does after each iteration
            runner.message_hub.update_scalar('train/mask_overlap', overlap)
        hook.after_train(runner)
        return Path(runner.work_dir) / kwargs.get('filename', 'prompts.pth')

    return finish


@pytest.mark.parametrize('wrap', [lambda model: model, nn.DataParallel])
def test_writes_what_stage_2_reads(tuning, runner, finish, wrap):
    runner.model = wrap(tuning)
    path = str(finish())
    prompts = nn.ModuleList(FrequencyPrompt(8) for _ in range(3))
    load_prompts(prompts, path)
    assert_close(
        dict(prompts.state_dict()),
        dict(tuning.prompts.state_dict()),
        rtol=0,
        atol=0,
    )
    loss = FreeKDLoss(8, 3, prompt_ckpt=path)
    for i, prompt in enumerate(tuning.prompts):
        assert_close(getattr(loss, f'prompts_{i}'), prompt.prompts.detach())


def test_notes_where_they_come_from(finish):
    meta = torch.load(finish(), weights_only=True)['meta']
    assert meta == {
        **meta,
        'source': 'neck',
        'teacher': 'RetinaNet',
        'iter': 20,
        'channels': [8, 8, 8],
        'num_prompts': 2,
        'levels': 3,
        'band_layout': 'subband',
        'wavelet': 'haar',
        'mmfreekd_version': __version__,
    }


def test_notes_how_the_overlap_changed(finish):
    overlap = torch.load(finish())['meta']['mask_overlap']
    assert overlap == pytest.approx(dict(start=0.9, end=0.5))


def test_a_resumed_run_keeps_the_overlap_of_the_first_start(finish):
    finish()
    overlap = torch.load(finish((0.4, 0.3)))['meta']['mask_overlap']
    assert overlap == pytest.approx(dict(start=0.9, end=0.3))


def test_takes_another_name(finish):
    assert finish(filename='tuned.pth').is_file()


@pytest.mark.parametrize(
    'iteration, expected', [(18, None), (19, 20)], ids=['earlier', 'last']
)
def test_writes_before_the_last_validation(runner, iteration, expected):
    hook = HOOKS.build(dict(type='mmfreekd.PromptCheckpointHook'))
    runner.iter, runner.max_iters = iteration, 20
    hook.after_train_iter(runner, 0)
    path = Path(runner.work_dir) / 'prompts.pth'
    assert path.exists() == (expected is not None)
    if expected is not None:
        assert torch.load(path)['meta']['iter'] == expected


def test_writes_with_every_checkpoint_whatever_was_logged(runner):
    hook = HOOKS.build(dict(type='mmfreekd.PromptCheckpointHook'))
    hook.before_save_checkpoint(runner, dict(meta=dict(iter=7)))
    meta = torch.load(Path(runner.work_dir) / 'prompts.pth')['meta']
    assert (meta['iter'], meta['mask_overlap']) == (7, {})
