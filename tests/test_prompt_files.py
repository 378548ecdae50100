"""Prompts of the official release, loaded as if stage 1 had written them."""

import math
from dataclasses import replace

import pytest
import torch
from references import ORIENTATIONS, pywt_bands
from torch.testing import assert_close

from mmfreekd import __version__
from mmfreekd.checkpoints.prompts import (
    from_official,
    prompts_meta,
    read_prompts,
    save_prompts,
)
from mmfreekd.errors import CheckpointError
from mmfreekd.models import FreeKDLoss, FrequencyPrompt
from mmfreekd.presets import PRESETS
from mmfreekd.checkpoints.prompts import (
    from_official,
    prompts_meta,
    read_prompts,
    save_prompts,
)

NUM_PROMPTS = 3
CHANNELS = 4
SIZES = [(16, 24), (9, 13)]
KEY = 'mask_modules.{}.mask_token'


def make_tokens(bands=4, num_prompts=NUM_PROMPTS, channels=CHANNELS):
    return [torch.randn(bands, num_prompts, channels) for _ in SIZES]


def official(tokens, prefix=''):
    """The weights of an official checkpoint that holds these prompts."""
    weights = {'backbone.conv1.weight': torch.ones(2)}
    for i, token in reversed(list(enumerate(tokens))):
        weights[f'{prefix}mask_modules.{i}.prob.0.weight'] = torch.ones(3)
        weights[f'{prefix}{KEY.format(i)}'] = token
    return weights


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'official.pth')


def load(path, **changes):
    """FreeKDLoss with the prompts of a file."""
    settings = dict(
        channels=CHANNELS,
        num_levels=len(SIZES),
        num_prompts=NUM_PROMPTS,
        preset='official',
        prompt_ckpt=path,
    )
    return FreeKDLoss(**{**settings, **changes})


def features():
    """A pyramid of the student's and one of the teacher's."""
    return tuple(
        [torch.randn(2, CHANNELS, *size) for size in SIZES] for _ in range(2)
    )


def official_bands(x):
    """What a prompt of each band is multiplied with, in official order."""
    bands = pywt_bands(x, 3)
    details = [
        [bands[f'level{level}_{name}'] for name in ORIENTATIONS]
        for level in (1, 2, 3)  # from the finest to the coarsest
    ]
    return [[bands['low']], *details]


def mask_by_hand(details, prompts):
    """The masks of one band, number by number: ``(N, T, h, w)``."""
    total = sum(details)
    num, channels, height, width = total.shape
    mask = torch.zeros(num, len(prompts), height, width, dtype=total.dtype)
    for n in range(num):
        for i, prompt in enumerate(prompts.tolist()):
            for y in range(height):
                for x in range(width):
                    logit = sum(
                        prompt[c] * total[n, c, y, x].item()
                        for c in range(channels)
                    )
                    mask[n, i, y, x] = 1 / (1 + math.exp(-logit))
    return mask


def test_each_band_gets_its_own_prompts(path):
    # a number of its own for each band, told apart from all others
    tokens = [
        torch.tensor([0.9, -0.5, 0.2, -0.05])[:, None, None]
        * torch.rand(4, NUM_PROMPTS, CHANNELS)
        for _ in SIZES
    ]
    torch.save(official(tokens), path)
    loss, (_, t_levels) = load(path), features()
    for level, (t, token) in enumerate(zip(t_levels, tokens, strict=True)):
        expected = [
            mask_by_hand(band, prompts).float()
            for band, prompts in zip(official_bands(t), token, strict=True)
        ]
        assert_close(loss.masks(t, t, level), expected)


@pytest.mark.parametrize(
    'prefix', ['', 'module.', 'distiller.losses.kd.', 'module.teacher.']
)
@pytest.mark.parametrize('wrapped', [True, False])
def test_is_known_by_its_keys_wherever_they_are(path, prefix, wrapped):
    tokens = make_tokens()
    weights = official(tokens, prefix)
    meta = dict(epoch=24, mmcv_version='1.7.0')
    torch.save(
        dict(meta=meta, state_dict=weights) if wrapped else weights, path
    )
    loss = load(path)
    assert_close([loss.prompts_0, loss.prompts_1], tokens, rtol=0, atol=0)
    assert loss.prompt_meta == dict(
        channels=[CHANNELS] * 2,
        num_prompts=NUM_PROMPTS,
        levels=3,
        band_layout='level',
        wavelet='haar',
        source_format='official release of FreeKD',
        mmfreekd_version=__version__,
    )
    assert not loss.untuned


def test_pyramid_levels_are_in_the_order_of_their_numbers(path):
    tokens = [torch.full((4, 1, 2), float(i)) for i in range(11)]
    torch.save(official(tokens), path)
    loss = load(path, channels=2, num_levels=11, num_prompts=1)
    assert [getattr(loss, f'prompts_{i}')[0, 0, 0] for i in range(11)] == [
        *range(11)
    ]


def test_channels_may_differ_and_numbers_be_half_as_long(path):
    tokens = [torch.randn(4, 2, c).half() for c in (3, 5)]
    torch.save(official(tokens), path)
    loss = load(path, channels=[3, 5], num_prompts=2)
    assert loss.prompt_meta['channels'] == [3, 5]
    assert_close(loss.prompts_1, tokens[1].float(), rtol=0, atol=0)


def test_nothing_else_of_the_file_is_kept():
    whole = torch.randn(100, NUM_PROMPTS, CHANNELS, requires_grad=True)
    content = from_official(official([whole[:4]]), 'official.pth')
    (token,) = content['state_dict'].values()
    assert token.untyped_storage().nbytes() == 4 * token.numel()
    assert not token.requires_grad


@pytest.mark.parametrize(
    'said, message',
    [
        (dict(band_layout='subband'), 'band_layout is level, but the config'),
        (dict(num_prompts=6), 'num_prompts is 3, but the config says 6'),
        (dict(channels=5), r'channels is \[4, 4\].* says \[5, 5\]'),
        (dict(num_levels=3), r'are 2 pyramid level\(s\).* num_levels=3'),
        (
            dict(levels=2, preset=dict(name='plus', wavelet='db2')),
            'wavelet is haar, but .* says db2; levels is 3, but .* says 2',
        ),
        (
            dict(preset=dict(name='official', num_prompts=2)),
            'num_prompts is 3, but the config says 2',
        ),
    ],
)
def test_a_layout_that_the_config_says_otherwise_is_refused(
    path, said, message
):
    torch.save(official(make_tokens()), path)
    with pytest.raises(
        CheckpointError,
        match=f'of another layout: .*{message}.*Leave these arguments out.*'
        "They come from the official release of FreeKD: take preset='offi",
    ):
        load(path, **{'num_prompts': None, **said})


@pytest.mark.parametrize('preset', ['paper', dict(name='official', levels=3)])
@pytest.mark.parametrize(
    'layout, logged',
    [
        (dict(num_prompts=4, levels=2, band_layout='level'), True),
        (dict(num_prompts=6, band_layout='level'), 'paper'),
        (dict(num_prompts=2), 'official'),
    ],
)
def test_a_preset_follows_the_file(path, monkeypatch, preset, layout, logged):
    said = []
    monkeypatch.setattr(
        'mmfreekd.models.losses.freekd_loss.print_log',
        lambda text, **kwargs: said.append(text),
    )
    prompts = make_prompts(**layout)
    save_prompts(prompts, path)
    if isinstance(preset, dict) and layout.get('levels'):
        with pytest.raises(CheckpointError, match='levels is 2, but the'):
            FreeKDLoss(preset=preset, prompt_ckpt=path)
        return
    loss = FreeKDLoss(preset=preset, prompt_ckpt=path)
    name = preset if isinstance(preset, str) else preset['name']
    own = prompts_meta(prompts)
    assert loss.channels == own.pop('channels') == [3, 5]
    assert loss.preset == replace(PRESETS[name], **own)
    assert len(said) == (logged in (True, name))
    assert all('the values of the file are used' in text for text in said)
    assert_close(loss.prompts_1, prompts[1].prompts.detach())


@pytest.mark.parametrize(
    'tuned, data_idx, picked',
    [
        (None, None, [0, 1, 2, 3]),
        (None, [0, 1, 2, 3], [0, 1, 2, 3]),
        (None, [1, 3], [1, 3]),
        (None, [3, 0], [3, 0]),
        (None, [3, 4, 5, 6], [0, 1, 2, 3]),  # it does not tell which
        ([1, 2, 3, 4], None, [0, 1, 2, 3]),
        ([1, 2, 3, 4], [2, 4], [1, 3]),
        ([1, 2, 3, 4], [0, 1, 2, 3], r'levels \[0\] are'),
        (None, [3, 4], r'levels \[0, 1, 2, 3\] .* levels \[4\] are'),
    ],
)
def test_levels_of_a_longer_file_are_chosen(path, tuned, data_idx, picked):
    prompts = make_prompts(channels=(3, 4, 5, 6))
    save_prompts(prompts, path, dict(data_idx=tuned))
    if isinstance(picked, str):
        with pytest.raises(CheckpointError, match=picked):
            FreeKDLoss(prompt_ckpt=path, data_idx=data_idx)
        return
    # channels only check
    channels = [prompts[i].prompts.size(2) for i in picked]
    loss = FreeKDLoss(channels, prompt_ckpt=path, data_idx=data_idx)
    assert loss.channels == channels
    for i, level in enumerate(picked):
        prompt = getattr(loss, f'prompts_{i}')
        assert_close(prompt, prompts[level].prompts.detach(), rtol=0, atol=0)
    with pytest.raises(CheckpointError, match='of another layout: channels'):
        FreeKDLoss(channels[::-1], prompt_ckpt=path, data_idx=data_idx)


def spoil(change):
    """An official checkpoint after a change of its weights."""
    weights = official(make_tokens())
    change(weights)
    return weights


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda w: w.update({KEY.format(3): w.pop(KEY.format(1))}),
            r'pyramid levels 0, 1, 2, ... without gaps, each once, got '
            'mask_modules.0.mask_token, mask_modules.3.mask_token. Take the',
        ),
        (
            lambda w: w.pop(KEY.format(0)),
            'without gaps, each once, got mask_modules.1.mask_token. Take',
        ),
        (
            lambda w: w.update({'ema.' + KEY.format(0): w[KEY.format(0)]}),
            'each once, got ema.mask_modules.0.mask_token, mask_modules.0.'
            'mask_token, mask_modules.1.mask_token. .*leave out the keys',
        ),
        (
            lambda w: w.update({KEY.format(1): torch.ones(10, 3, 4)}),
            r'mask_modules.1.mask_token as a tensor \(4, T, C\).*three '
            r'wavelet levels, got \(10, 3, 4\). Prompts of other bands.*stage',
        ),
        (
            lambda w: w.update({KEY.format(0): torch.ones(4, 3)}),
            r'mask_modules.0.mask_token .*\(4, T, C\).*got \(4, 3\)',
        ),
        (
            lambda w: w.update({KEY.format(0): torch.ones(4, 0, 4)}),
            r'mask_modules.0.mask_token .*\(4, T, C\).*got \(4, 0, 4\)',
        ),
        (
            lambda w: w.update({KEY.format(0): 'none'}),
            r'mask_modules.0.mask_token .*\(4, T, C\).*got str',
        ),
        (
            lambda w: w[KEY.format(1)][2, 1].fill_(torch.nan),
            'finite numbers, but 4 of the 48 in mask_modules.1.mask_token are '
            'nan or infinite.*take another file, or tune prompts in stage 1',
        ),
        (
            lambda w: w[KEY.format(0)][0, 0, 0].fill_(-torch.inf),
            'finite numbers, but 1 of the 48 in mask_modules.0.mask_token',
        ),
        (
            lambda w: w.update({KEY.format(1): torch.ones(4, 2, 4)}),
            r'one number T of prompts for all pyramid levels, got \[3, 2\]. '
            'Tune prompts in stage 1',
        ),
    ],
)
def test_broken_prompts_are_refused(path, change, message):
    torch.save(dict(state_dict=spoil(change)), path)
    with pytest.raises(
        CheckpointError,
        match="prompt_ckpt: '.*official.pth', a checkpoint of the official "
        f'release of FreeKD, must hold .*{message}',
    ):
        load(path)


@pytest.mark.parametrize(
    'content',
    [
        {'mask_modules.0.mask_token_ema': torch.ones(4, 2, 4)},
        {'mask_modules.x.mask_token': torch.ones(4, 2, 4)},
        {'my_mask_modules.0.mask_token': torch.ones(4, 2, 4)},
        dict(meta=None, state_dict={}),
        dict(meta={}, state_dict=None),
    ],
)
def test_what_only_looks_like_it_holds_no_prompts(path, content):
    torch.save(content, path)
    with pytest.raises(
        CheckpointError,
        match='holds no frequency prompts; expected .* stage 1 writes, or a '
        r'checkpoint of the official .*\(keys mask_modules.0.mask_token',
    ):
        load(path)


@pytest.mark.parametrize('number', [math.nan, math.inf])
def test_prompts_whose_tuning_failed_are_refused(path, number):
    prompts = torch.nn.ModuleList(
        FrequencyPrompt(CHANNELS, NUM_PROMPTS, band_layout='level')
        for _ in SIZES
    )
    prompts[1].prompts.data[0, 0, 0] = number
    save_prompts(prompts, path)
    with pytest.raises(
        CheckpointError,
        match='prompt_ckpt: 1.prompts in .* not finite.*Run stage 1 again',
    ):
        load(path)


def make_prompts(channels=(3, 5), **layout):
    return torch.nn.ModuleList(FrequencyPrompt(c, **layout) for c in channels)


@pytest.mark.parametrize(
    'layout',
    [
        dict(),
        dict(num_prompts=4, levels=2, band_layout='level', wavelet='db2'),
    ],
)
def test_a_file_says_by_itself_what_its_prompts_are(path, layout):
    prompts = make_prompts(**layout)
    save_prompts(prompts, path, dict(source='neck'))
    meta, tensors = read_prompts(path)
    assert meta == dict(
        prompts_meta(prompts), source='neck', mmfreekd_version=__version__
    )
    assert_close(tensors, [p.prompts.detach() for p in prompts])


def test_an_official_file_says_it_as_well(path):
    tokens = make_tokens()
    torch.save(official(tokens), path)
    meta, tensors = read_prompts(path)
    assert (meta['band_layout'], meta['num_prompts']) == ('level', NUM_PROMPTS)
    assert_close(tensors, tokens, rtol=0, atol=0)


@pytest.mark.parametrize(
    'change',
    [
        lambda meta, weights: meta.update(num_prompts=3),
        lambda meta, weights: meta.update(band_layout='level'),
        lambda meta, weights: meta.update(channels=[3]),
        lambda meta, weights: weights.pop('0.prompts'),
        lambda meta, weights: weights.update(more=torch.ones(10, 2, 3)),
    ],
)
def test_a_file_that_contradicts_its_meta_is_refused(path, change):
    save_prompts(make_prompts(), path)
    content = torch.load(path)
    change(content['meta'], content['state_dict'])
    torch.save(content, path)
    with pytest.raises(CheckpointError, match='contradict its meta: expected'):
        read_prompts(path)
