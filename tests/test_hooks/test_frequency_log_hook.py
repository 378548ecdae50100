"""What is logged of bands and masks is true, and changes no training."""

import itertools
import json
from pathlib import Path

import pytest
import tiny_models
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.testing import assert_close

from mmfreekd.engine.hooks import frequency_log_hook
from mmfreekd.engine.hooks.frequency_log_hook import distill_to_task
from mmfreekd.engine.hooks.frequency_statistics import (
    loss_statistics,
    mask_statistics,
)
from mmfreekd.frequency import FrequencyBands, band_names, waverec2
from mmfreekd.models import FreeKDLoss
from mmfreekd.registry import MODELS

NUMBERS = itertools.count()
SIZES = (16, 24), (9, 11)


def features(channels=(4, 6)):
    return tuple(torch.randn(2, c, h, w) for c, (h, w) in zip(channels, SIZES))


def of_bands(statistics):
    return {k: v for k, v in statistics.items() if k.startswith('pyramid')}


@pytest.mark.parametrize(
    'options',
    [
        *[dict(preset=p) for p in ('paper', 'official', 'plus')],
        dict(preset='recommended', loss_weight=0.3),
        dict(num_prompts=0, position_gate=False),
        dict(low_band=False),
        dict(preset=dict(name='paper', high_weight=0.3)),
        dict(
            preset=dict(name='paper', high_weight=0.0, wavelet='db2'),
            levels=2,
            num_prompts=0,
        ),
    ],
)
def test_the_bands_add_up_to_the_loss(options):
    loss = FreeKDLoss([4, 6], **options)
    for i in range(2):
        if loss.preset.num_prompts:
            getattr(loss, f'prompts_{i}').normal_()
    s, t = features(), features()
    bands = of_bands(loss_statistics(loss, s, t))
    assert_close(sum(bands.values()), loss(s, t))
    names = band_names(loss.layout['levels'], loss.layout['band_layout'])
    names = names[not loss.preset.low_band :]
    names = names if loss.preset.high_weight else names[:1]
    assert list(bands) == [
        f'pyramid{i}/{name}' for i in range(2) for name in names
    ]


@pytest.mark.parametrize('band', range(7))
def test_each_band_has_its_own_name(band):
    names = band_names(2)
    low, high = (
        torch.zeros(1, 3, 4, 4),
        [torch.zeros(1, 3, 3, n, n) for n in (8, 4)],
    )
    chosen = low if band == 0 else high[(band - 1) // 3][:, :, (band - 1) % 3]
    chosen.normal_()
    t = waverec2(FrequencyBands(low, tuple(high)), (16, 16))
    loss = FreeKDLoss(3, num_prompts=0, levels=2, position_gate=False)
    bands = loss_statistics(loss, torch.zeros_like(t), t)
    assert_close(
        bands.pop(f'pyramid0/{names[band]}'),
        chosen.abs().mean(),
        rtol=1e-4,
        atol=1e-5,
    )
    assert max(bands.values()) < 1e-5


def test_mean_and_overlap_of_masks_count_every_band_alike():
    masks = [[torch.full((1, 2, 8, 8), 0.2)], [torch.full((1, 2, 2, 2), 0.6)]]
    masks[1][0][:, 1] = 0
    found = mask_statistics(masks)
    assert_close(found['mask_mean'], torch.tensor((0.2 + 0.3) / 2))
    # two masks that are one, and two of which one is shut: (1 + 3 * 0) / 4
    # with itself 1, the shut one with itself 0
    assert_close(found['mask_overlap'], torch.tensor((1 + 0.25) / 2))


def test_without_prompts_nothing_is_said_of_masks():
    loss = FreeKDLoss(4, num_prompts=0, position_gate=False)
    s, t = torch.randn(2, 1, 4, 8, 8)
    assert not {'mask_mean', 'mask_overlap'} & {*loss_statistics(loss, s, t)}


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    'losses, expected',
    [
        (
            {
                'student.loss_cls': torch.tensor(1.5, requires_grad=True),
                'student.loss_bbox': 0.5,
                'student.acc': 90.0,
                'distill.loss_freekd': 3.0,
                'distill.loss_mse': 1.0,
                'loss': 6.0,
            },
            dict(distill_to_task=2.0),
        ),
        ({'distill.loss_freekd': 3.0}, {}),
        ({'student.loss_cls': 3.0}, {}),
    ],
)
def test_the_ratio_is_that_of_what_is_trained_on(losses, expected):
    assert distill_to_task(losses) == expected


def stage_2():
    """Dropout draws random numbers in every step."""
    return dict(
        type='mmfreekd.FreeKDDistill',
        architecture=tiny_models.encoder_decoder(),
        teacher=MODELS.build(tiny_models.encoder_decoder(8)),
        distiller=tiny_models.distiller(32, 64, 'backbone.layer4'),
    )


def stage_1():
    teacher = MODELS.build(tiny_models.encoder_decoder(8))
    return tiny_models.prompt_tuning(teacher, None, 64, 'backbone.layer4')


def train(work_dir, stage, hooks):
    """Four iterations, every second one logged."""
    torch.manual_seed(0)
    # another Runner may have left its own scope
    with DefaultScope.overwrite_default_scope('mmrazor'):
        model = MODELS.build(stage())
    for loss in getattr(model, 'distiller', model).modules():
        if isinstance(loss, FreeKDLoss):
            loss.prompts_0.normal_()
            loss.prompt_ckpt = 'tuned'  # so that it may train
    batch = tiny_models.seg_batch()
    samples = zip(batch['inputs'], batch['data_samples'])
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        experiment_name=f'log{next(NUMBERS)}',
        train_dataloader=dict(
            batch_size=2,
            dataset=[dict(inputs=x, data_samples=y) for x, y in samples] * 6,
            sampler=dict(type='InfiniteSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=False, max_iters=4),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=2)),
        custom_hooks=[dict(type=f'mmfreekd.{hook}') for hook in hooks],
        randomness=dict(seed=0),
        log_level='ERROR',
    )
    losses, step = [], runner.model.train_step

    def train_step(*args, **kwargs):
        losses.append({k: v.item() for k, v in step(*args, **kwargs).items()})
        return losses[-1]

    runner.model.train_step = train_step
    runner.train()
    (path,) = Path(work_dir).glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert not [
        module
        for module in model.modules()
        if isinstance(module, FreeKDLoss) and module._forward_hooks
    ]
    return model, losses, rows, torch.get_rng_state()


@pytest.mark.parametrize('stage', [stage_1, stage_2])
def test_training_is_the_same_bit_by_bit(tmp_path, stage):
    plain = train(tmp_path / 'plain', stage, [])
    logged = train(tmp_path / 'logged', stage, ['FrequencyLogHook'])
    assert plain[1] == logged[1]
    assert torch.equal(plain[3], logged[3])
    assert_close(
        tiny_models.snapshot(logged[0]),
        tiny_models.snapshot(plain[0]),
        rtol=0,
        atol=0,
    )


def test_stage_2_logs_where_mmengine_does(tmp_path, monkeypatch):
    took_apart = []

    def counted(*args, **kwargs):
        took_apart.append(args)
        return loss_statistics(*args, **kwargs)

    monkeypatch.setattr(frequency_log_hook, 'loss_statistics', counted)
    _, losses, rows, _ = train(tmp_path, stage_2, ['FrequencyLogHook'])
    bands = [row for row in rows if 'loss_freekd/pyramid0/low' in row]
    assert [row.pop('step') for row in bands] == [2, 4]
    for row, loss in zip(bands, losses[1::2]):
        assert [*row] == [f'loss_freekd/pyramid0/{n}' for n in band_names()]
        assert sum(row.values()) == pytest.approx(loss['distill.loss_freekd'])
    log = [row for row in rows if 'distill_to_task' in row]
    assert [row['step'] for row in log] == [2, 4]
    for row, loss in zip(log, losses[1::2]):
        task = loss['student.decode.loss_ce']
        assert row['distill_to_task'] == pytest.approx(
            loss['distill.loss_freekd'] / task
        )
        assert 0 < row['mask_mean'] < 1 and 0.5 <= row['mask_overlap'] < 1
    assert len(rows) == 4
    assert len(took_apart) == 2  # in no other iteration does it take time


def test_stage_1_logs_the_mean_of_the_masks(tmp_path):
    _, losses, rows, _ = train(tmp_path, stage_1, ['FrequencyLogHook'])
    assert [row['step'] for row in rows] == [2, 4]
    assert rows[0]['mask_mean'] == pytest.approx(0.5, abs=0.1)
    for row, loss in zip(rows, losses[1::2]):
        assert row['mask_overlap'] == pytest.approx(loss['mask_overlap'])
        assert 'distill_to_task' not in row
