"""One word sets a whole loss: each preset against the loss it stands for."""

import pytest
import torch
from references import freekd_of, official_loss
from torch import nn
from torch.testing import assert_close

from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.errors import CheckpointError, UsageError
from mmfreekd.models import (
    FreeKDLoss,
    FrequencyPrompt,
    PromptDissimilarityLoss,
)
from mmfreekd.presets import PRESETS, preset_with

# what they stand for, in the words of references.py
LOSSES = dict(
    paper=dict(band_layout='subband', low_band=True),
    official=dict(band_layout='level', low_band=False),
    plus=dict(
        band_layout='subband',
        low_band=True,
        normalize=True,
        refine_masks=True,
        low_penalty='mse',
        high_penalty='log_mse',
    ),
    recommended=dict(
        band_layout='subband',
        low_band=True,
        normalize=True,
        low_penalty='mse',
        high_penalty='mse',
        prompt_reduction='max',
    ),
)
NUM_PROMPTS = dict(paper=2, official=6, plus=2, recommended=2)
BOTH = ('student', 'teacher')
SIZES = [(9, 12), (5, 6), (2, 3), (1, 1)]
NUM_LEVELS = len(SIZES)
# what RetinaNet's FPN makes of an image of 800 x 1216 pixels
FPN_SIZES = [(100, 152), (50, 76), (25, 38), (13, 19), (7, 10)]

each_preset = pytest.mark.parametrize('preset', LOSSES)


def pyramids(channels=4, sizes=SIZES, batch=2):
    """A pyramid of the student's and one of the teacher's, in float64."""
    return [
        [
            torch.randn(batch, channels, *size, dtype=torch.float64)
            for size in sizes
        ]
        for _ in range(2)
    ]


@pytest.fixture
def prompts_file(tmp_path):
    """Writes random prompts as stage 1 might have left them."""

    def write(
        num_prompts,
        band_layout='subband',
        channels=4,
        num_levels=NUM_LEVELS,
        levels=3,
        std=1.0,
    ):
        prompts = nn.ModuleList(
            FrequencyPrompt(channels, num_prompts, levels, band_layout)
            for _ in range(num_levels)
        )
        for prompt in prompts:
            nn.init.normal_(prompt.prompts, std=std)
        path = str(tmp_path / f'{num_prompts}_{band_layout}_{levels}.pth')
        save_prompts(prompts, path)
        return path, [prompt.prompts.detach().double() for prompt in prompts]

    return write


def value_and_gradients(loss, s_levels, t_levels):
    s_levels = [s.detach().requires_grad_() for s in s_levels]
    value = loss(s_levels, t_levels)
    return value, torch.autograd.grad(value, s_levels)


def compare(loss, prompts, s_levels, t_levels, **by_hand):
    """Value and gradient of a loss against one that is put together here."""
    assert_close(
        value_and_gradients(loss.double(), s_levels, t_levels),
        value_and_gradients(
            lambda s, t: freekd_of(s, t, prompts, **by_hand),
            s_levels,
            t_levels,
        ),
    )


@pytest.mark.parametrize('sides', [(), BOTH])
@each_preset
def test_equals_the_loss_put_together_by_hand(preset, sides, prompts_file):
    by_hand = LOSSES[preset]
    path, prompts = prompts_file(NUM_PROMPTS[preset], by_hand['band_layout'])
    loss = FreeKDLoss(
        4,
        NUM_LEVELS,
        preset=preset,
        prompt_ckpt=path,
        position_gate=dict(side='both') if sides else None,
    )
    compare(loss, prompts, *pyramids(), sides=sides, **by_hand)


@each_preset
def test_its_position_gate_is_the_one_that_it_names(preset, prompts_file):
    named = PRESETS[preset].position_gate
    path, _ = prompts_file(
        NUM_PROMPTS[preset], LOSSES[preset]['band_layout'], std=0.1
    )
    unsaid, said = (
        FreeKDLoss(4, NUM_LEVELS, preset=preset, prompt_ckpt=path, **gate)
        for gate in (dict(), dict(position_gate=named))
    )
    assert (unsaid.gate is None) == (named is None)
    features = pyramids()
    assert_close(
        value_and_gradients(unsaid.double(), *features),
        value_and_gradients(said.double(), *features),
        rtol=0,
        atol=0,
    )


def test_official_has_no_position_gate():
    assert FreeKDLoss(4, preset='official').gate is None


def test_paper_is_what_goes_without_saying(prompts_file):
    path, _ = prompts_file(2)
    unsaid, said = (
        FreeKDLoss(4, NUM_LEVELS, prompt_ckpt=path, **preset).double()
        for preset in (dict(), dict(preset='paper'))
    )
    features = pyramids()
    assert_close(unsaid(*features), said(*features), rtol=0, atol=0)


def test_official_is_the_official_loss_at_the_size_of_coco(prompts_file):
    """To 1e-5 in float32, at RetinaNet's five pyramid levels."""
    channels = 256
    path, prompts = prompts_file(
        6, 'level', channels, num_levels=len(FPN_SIZES), std=0.05
    )
    loss = FreeKDLoss(
        channels, len(FPN_SIZES), preset='official', prompt_ckpt=path
    )
    # Of eighths, which float32 adds without rounding: a band that is zero
    # but for rounding would have a gradient of either sign.
    s_levels, t_levels = (
        [
            torch.randint(-24, 25, (1, channels, *size)) / 8
            for size in FPN_SIZES
        ]
        for _ in range(2)
    )
    prompts = [prompt.float() for prompt in prompts]
    value, gradients = value_and_gradients(loss, s_levels, t_levels)
    expected, expected_gradients = value_and_gradients(
        lambda s, t: official_loss(s, t, prompts), s_levels, t_levels
    )
    assert_close(value, expected, rtol=1e-5, atol=0)
    for grad, other in zip(gradients, expected_gradients, strict=True):
        # a pixel's gradient adds up bands of either sign
        scale = other.abs().max().item()
        assert_close(grad, other, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('channels', [1, 5])
def test_official_is_the_official_loss(batch, channels, prompts_file):
    path, prompts = prompts_file(6, 'level', channels)
    loss = FreeKDLoss(
        channels, NUM_LEVELS, preset='official', prompt_ckpt=path
    )
    features = pyramids(channels, batch=batch)
    assert_close(
        value_and_gradients(loss.double(), *features),
        value_and_gradients(
            lambda s, t: official_loss(s, t, prompts), *features
        ),
    )


@pytest.mark.parametrize(
    'change',
    [
        dict(band_layout='subband'),
        dict(band_layout='level'),
        dict(low_band=True),
        dict(low_band=False),
        dict(normalize=True),
        dict(normalize=False),
        dict(refine_masks=True),
        dict(refine_masks=False),
        dict(low_penalty='l1'),
        dict(low_penalty='log_mse'),
        dict(high_penalty='l1'),
        dict(high_penalty='mse'),
        dict(levels=1),
        dict(prompt_reduction='sum'),
    ],
    ids=lambda change: '-'.join(f'{k}={v}' for k, v in change.items()),
)
@each_preset
def test_what_is_said_goes_before_the_preset(preset, change, prompts_file):
    by_hand = {**LOSSES[preset], **change}
    path, prompts = prompts_file(
        NUM_PROMPTS[preset],
        by_hand['band_layout'],
        levels=by_hand.get('levels', 3),
    )
    loss = FreeKDLoss(
        4,
        NUM_LEVELS,
        preset=preset,
        prompt_ckpt=path,
        position_gate=None,
        **change,
    )
    compare(loss, prompts, *pyramids(), **by_hand)


@pytest.mark.parametrize('num_prompts', [0, 1, 3])
@each_preset
def test_num_prompts_go_before_the_preset(preset, num_prompts, prompts_file):
    by_hand, path, prompts = LOSSES[preset], None, None
    if num_prompts:
        path, prompts = prompts_file(num_prompts, by_hand['band_layout'])
    loss = FreeKDLoss(
        4,
        NUM_LEVELS,
        num_prompts,
        preset=preset,
        prompt_ckpt=path,
        position_gate=None,
    )
    compare(loss, prompts, *pyramids(), **by_hand)


@each_preset
def test_what_low_and_high_bands_count(preset, prompts_file):
    by_hand = {**LOSSES[preset], 'low_band': True}
    path, prompts = prompts_file(NUM_PROMPTS[preset], by_hand['band_layout'])
    for change in (
        dict(high_weight=0.0),
        dict(high_weight=0.3),
        dict(low_band=False),
    ):
        loss = FreeKDLoss(
            4,
            NUM_LEVELS,
            preset=preset,
            prompt_ckpt=path,
            position_gate=None,
            **{'low_band': True, **change},
        )
        compare(loss, prompts, *pyramids(), **{**by_hand, **change})


@pytest.mark.parametrize('sides', [('student',), ('teacher',)])
@each_preset
def test_a_position_gate_goes_before_the_presets(preset, sides, prompts_file):
    by_hand = LOSSES[preset]
    path, prompts = prompts_file(NUM_PROMPTS[preset], by_hand['band_layout'])
    loss = FreeKDLoss(
        4,
        NUM_LEVELS,
        preset=preset,
        prompt_ckpt=path,
        position_gate=dict(side=sides[0]),
    )
    compare(loss, prompts, *pyramids(), sides=sides, **by_hand)


@pytest.mark.parametrize('size', [(1, 1), (2, 3)])
@each_preset
def test_the_smallest_of_everything(preset, size, prompts_file):
    # one image, one channel, one prompt; three wavelet levels
    by_hand = LOSSES[preset]
    path, prompts = prompts_file(1, by_hand['band_layout'], 1, 1)
    features = pyramids(1, [size], batch=1)
    for sides in ((), BOTH):
        loss = FreeKDLoss(
            1,
            num_prompts=1,
            preset=preset,
            prompt_ckpt=path,
            position_gate=dict(side='both') if sides else None,
        )
        compare(loss, prompts, *features, sides=sides, **by_hand)
        value, (gradient,) = value_and_gradients(loss, *features)
        assert value.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@each_preset
def test_half_precision_is_off_by_no_more_than_its_features(
    preset, dtype, prompts_file
):
    path, _ = prompts_file(NUM_PROMPTS[preset], LOSSES[preset]['band_layout'])
    loss = FreeKDLoss(4, NUM_LEVELS, preset=preset, prompt_ckpt=path)
    s_levels, t_levels = ([x.float() for x in f] for f in pyramids())
    half_s, half_t = ([x.to(dtype) for x in f] for f in (s_levels, t_levels))
    value, gradients = value_and_gradients(loss, half_s, half_t)
    assert value.dtype == torch.float32
    assert_close(
        value,
        loss(s_levels, t_levels),
        rtol=4 * torch.finfo(dtype).eps,
        atol=0,
    )
    for gradient in gradients:
        assert gradient.dtype == dtype and gradient.isfinite().all()


@pytest.mark.parametrize('preset', ['Paper', 'freekd', '', None, 1])
def test_refuses_a_preset_that_it_does_not_know(preset):
    message = f"preset must be .*'paper', 'official', 'plus'.*got {preset!r}"
    with pytest.raises(UsageError, match=message):
        preset_with(preset)
    with pytest.raises(UsageError, match=message):
        FreeKDLoss(4, preset=preset)


def test_none_leaves_a_choice_and_false_does_not():
    assert preset_with('plus', normalize=None) == PRESETS['plus']
    assert not preset_with('plus', normalize=False).normalize
    assert PRESETS['plus'].normalize, 'a preset is never changed'


def test_refuses_a_choice_that_no_preset_has():
    with pytest.raises(TypeError, match='num_prompt'):
        preset_with('paper', num_prompt=2)


@pytest.mark.parametrize(
    'preset, kind, diagonal',
    [('paper', 'jaccard', True), ('official', 'dice', False)],
)
def test_stage_1_keeps_masks_apart_as_the_preset_says(preset, kind, diagonal):
    masks = [[torch.rand(2, 3, 4, 5), torch.rand(2, 3, 2, 3)]]
    assert_close(
        PromptDissimilarityLoss(PRESETS[preset].overlap)(masks),
        PromptDissimilarityLoss(kind, diagonal=diagonal)(masks),
    )


@pytest.mark.parametrize(
    'tuned, loaded, message',
    [
        (
            'official',
            'paper',
            'num_prompts is 6, expected 2; band_layout is level, expected '
            'subband',
        ),
        (
            'paper',
            'official',
            'num_prompts is 2, expected 6; band_layout is subband, expected '
            'level',
        ),
        ('plus', 'official', 'num_prompts is 2, expected 6'),
        ('official', 'plus', 'num_prompts is 6, expected 2'),
    ],
)
def test_refuses_prompts_of_a_preset_with_another_layout(
    tuned, loaded, message, prompts_file
):
    path, _ = prompts_file(NUM_PROMPTS[tuned], LOSSES[tuned]['band_layout'])
    with pytest.raises(CheckpointError, match=message):
        FreeKDLoss(4, NUM_LEVELS, preset=loaded, prompt_ckpt=path)
