"""Both losses against the paper in plain loops, for each preset."""

from dataclasses import replace

import pytest
import torch
from references import freekd_of, masks_of, official_loss, overlap_of
from torch import nn
from torch.testing import assert_close

from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.errors import UsageError
from mmfreekd.frequency import frequency_distance, frequency_masks
from mmfreekd.models import (
    FreeKDLoss,
    FrequencyPrompt,
    PromptDissimilarityLoss,
)
from mmfreekd.presets import PRESETS
from mmfreekd.checkpoints.prompts import save_prompts

BOTH = ('student', 'teacher')
# what the presets stand for, in the words of references.py
BY_HAND = dict(
    paper=dict(band_layout='subband', low_band=True, sides=BOTH),
    official=dict(band_layout='level', low_band=False),
    plus=dict(
        band_layout='subband',
        low_band=True,
        sides=BOTH,
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
SIZES = [(9, 12), (5, 6), (2, 3), (1, 1)]
# what RetinaNet's FPN makes of an image of 800 x 1216 pixels
FPN_SIZES = [(100, 152), (50, 76), (25, 38), (13, 19), (7, 10)]

each_preset = pytest.mark.parametrize('preset', BY_HAND)
half = pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])


def pyramids(channels=4, sizes=SIZES, batch=2, dtype=torch.float64):
    """A pyramid of the student's and one of the teacher's."""
    return [
        [torch.randn(batch, channels, *size, dtype=dtype) for size in sizes]
        for _ in range(2)
    ]


@pytest.fixture
def prompts_file(tmp_path):
    """Writes random prompts as stage 1 might have left them."""

    def write(
        num_prompts=2,
        band_layout='subband',
        channels=4,
        num_levels=4,
        std=1.0,
        **layout,
    ):
        prompts = nn.ModuleList(
            FrequencyPrompt(
                channels, num_prompts, band_layout=band_layout, **layout
            )
            for _ in range(num_levels)
        )
        for prompt in prompts:
            nn.init.normal_(prompt.prompts, std=std)
        path = str(tmp_path / 'prompts.pth')
        save_prompts(prompts, path)
        return path, [prompt.prompts.detach().double() for prompt in prompts]

    return write


def value_and_gradients(loss, s_levels, t_levels):
    s_levels = [s.detach().requires_grad_() for s in s_levels]
    value = loss(s_levels, t_levels)
    return value, torch.autograd.grad(value, s_levels)


def compare(loss, prompts, features, **by_hand):
    """Value and gradient of a loss against one that is put together here."""
    assert_close(
        value_and_gradients(loss.double(), *features),
        value_and_gradients(
            lambda s, t: freekd_of(s, t, prompts, **by_hand), *features
        ),
    )


@pytest.mark.parametrize(
    'gate, sides',
    [
        (None, None),
        (False, ()),
        (dict(side='both'), BOTH),
        (dict(side='student'), ('student',)),
        (dict(side='teacher'), ('teacher',)),
    ],
)
@each_preset
def test_each_preset_is_the_loss_put_together_by_hand(
    preset, gate, sides, prompts_file
):
    by_hand = dict(BY_HAND[preset])
    if sides is not None:
        by_hand['sides'] = sides
    path, prompts = prompts_file(NUM_PROMPTS[preset], by_hand['band_layout'])
    loss = FreeKDLoss(preset=preset, position_gate=gate, prompt_ckpt=path)
    compare(loss, prompts, pyramids(), **by_hand)


@pytest.mark.parametrize(
    'change',
    [
        dict(band_layout='subband'),
        dict(band_layout='level'),
        dict(low_band=True),
        dict(high_weight=0.3),
        dict(high_weight=0.0, low_band=True),
        dict(low_band=False),
        dict(normalize=True),
        dict(normalize=False),
        dict(refine_masks=True),
        dict(low_penalty='log_mse'),
        dict(high_penalty='l1'),
        dict(levels=1),
        dict(prompt_reduction='sum'),
    ],
    ids=lambda change: '-'.join(f'{k}={v}' for k, v in change.items()),
)
@each_preset
def test_a_change_goes_before_the_preset(preset, change, prompts_file):
    by_hand = {**BY_HAND[preset], **change, 'sides': ()}
    path, prompts = prompts_file(
        NUM_PROMPTS[preset],
        by_hand['band_layout'],
        levels=by_hand.get('levels', 3),
    )
    loss = FreeKDLoss(
        preset=dict(name=preset, position_gate=False, **change),
        prompt_ckpt=path,
    )
    compare(loss, prompts, pyramids(), **by_hand)


def test_the_contracts_arguments_go_before_the_preset():
    given = dict(num_prompts=3, levels=2, band_layout='subband', low_band=True)
    loss = FreeKDLoss(4, preset=dict(name='official', levels=1), **given)
    assert loss.preset == replace(PRESETS['official'], **given)
    assert FreeKDLoss(4).preset == PRESETS['paper']


@pytest.mark.parametrize('num_prompts', [0, 1, 3])
@each_preset
def test_num_prompts_and_loss_weight(preset, num_prompts, prompts_file):
    by_hand, path, prompts = BY_HAND[preset], None, None
    if num_prompts:
        path, prompts = prompts_file(num_prompts, by_hand['band_layout'])
    loss, features = (
        FreeKDLoss(
            4,
            len(SIZES),
            num_prompts,
            preset=preset,
            prompt_ckpt=path,
            loss_weight=0.3,
        ).double(),
        pyramids(),
    )
    assert not loss.untuned
    expected = freekd_of(*features, prompts, **by_hand)
    assert_close(loss(*features), 0.3 * expected)


def test_official_is_the_official_loss_at_the_size_of_coco(prompts_file):
    """To 1e-5 in float32, at RetinaNet's five pyramid levels."""
    channels = 256
    path, prompts = prompts_file(
        6, 'level', channels, num_levels=len(FPN_SIZES), std=0.05
    )
    loss = FreeKDLoss(preset='official', prompt_ckpt=path)
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


@pytest.mark.parametrize('size', [(1, 1), (2, 3)])
@each_preset
def test_the_smallest_of_everything(preset, size, prompts_file):
    # one image, one channel, one prompt; three wavelet levels
    by_hand = BY_HAND[preset]
    path, prompts = prompts_file(1, by_hand['band_layout'], 1, 1)
    features = pyramids(1, [size], batch=1)
    loss = FreeKDLoss(preset=preset, prompt_ckpt=path)
    compare(loss, prompts, features, **by_hand)
    value, (gradient,) = value_and_gradients(loss, *features)
    assert value.isfinite() and gradient.isfinite().all()


@half
@each_preset
def test_half_precision_is_off_by_no_more_than_its_features(
    preset, dtype, prompts_file
):
    path, _ = prompts_file(NUM_PROMPTS[preset], BY_HAND[preset]['band_layout'])
    loss = FreeKDLoss(preset=preset, prompt_ckpt=path)
    s_levels, t_levels = pyramids(dtype=torch.float32)
    expected = loss(s_levels, t_levels)
    half_s, half_t = ([x.to(dtype) for x in f] for f in (s_levels, t_levels))
    value, gradients = value_and_gradients(loss, half_s, half_t)
    assert value.dtype == torch.float32
    assert_close(value, expected, rtol=4 * torch.finfo(dtype).eps, atol=0)
    for gradient in gradients:
        assert gradient.dtype == dtype and gradient.isfinite().all()
    with torch.autocast('cpu', dtype):
        assert_close(loss(s_levels, t_levels), expected, rtol=0, atol=0)


def test_takes_another_wavelet(prompts_file):
    path, (prompt,) = prompts_file(num_levels=1, wavelet='db2')
    loss = FreeKDLoss(position_gate=False, prompt_ckpt=path).double()
    (s,), (t,) = pyramids(sizes=SIZES[:1])
    masks = frequency_masks(t, prompt, wavelet='db2')
    assert_close(loss(s, t), frequency_distance(s, t, masks, wavelet='db2'))
    assert_close(loss(s, t), loss((s,), (t,)), rtol=0, atol=0)


def test_levels_may_differ_in_channels():
    loss = FreeKDLoss([3, 5], num_prompts=1, position_gate=False).double()
    (a,), (b,) = pyramids(3, SIZES[:1])
    (c,), (d,) = pyramids(5, SIZES[1:2])
    assert loss.untuned
    assert_close(
        loss((a, c), (b, d)),
        freekd_of([a, c], [b, d], [loss.prompts_0, loss.prompts_1]),
    )


def test_prompts_are_no_parameters_and_in_no_checkpoint(prompts_file):
    path, prompts = prompts_file()
    loss = FreeKDLoss(prompt_ckpt=path)
    assert not list(loss.parameters()) and not loss.state_dict()
    assert not loss.prompts_2.requires_grad
    loss.double()
    assert_close(loss.prompts_2, prompts[2], rtol=0, atol=0)


@each_preset
def test_only_the_student_gets_a_gradient(preset, prompts_file):
    path, _ = prompts_file(NUM_PROMPTS[preset], BY_HAND[preset]['band_layout'])
    loss = FreeKDLoss(preset=preset, prompt_ckpt=path).double()
    s_levels, t_levels = pyramids()
    for x in (*s_levels, *t_levels):
        x.requires_grad_()
    loss(s_levels, t_levels).backward()
    for s, t in zip(s_levels, t_levels, strict=True):
        assert t.grad is None and s.grad.isfinite().all()
    assert s_levels[0].grad.any()
    # nothing that could lead back to the teacher hangs on the value
    value = loss([s.detach() for s in s_levels], t_levels)
    assert not value.requires_grad


@pytest.mark.parametrize('refine_masks', [True, False])
def test_no_gradient_flows_through_masks(prompts_file, refine_masks):
    path, (prompt,) = prompts_file(num_levels=1)
    loss = FreeKDLoss(
        preset=dict(name='paper', refine_masks=refine_masks),
        position_gate=False,
        prompt_ckpt=path,
    ).double()
    (s,), (t,) = pyramids(sizes=SIZES[:1])
    masks = loss.masks(s.requires_grad_(), t.requires_grad_(), 0)
    assert not any(mask.requires_grad for mask in masks)
    expected = masks_of(t, prompt, 3, 'subband')
    if refine_masks:
        ours = masks_of(s, prompt, 3, 'subband')
        expected = [a * b for a, b in zip(expected, ours, strict=True)]
    assert_close(masks, [mask.detach() for mask in expected])
    # the gradient is that of the same masks as constants
    _, gradient = value_and_gradients(loss, [s], [t])
    _, expected = value_and_gradients(
        lambda s, t: frequency_distance(s[0], t[0].detach(), masks), [s], [t]
    )
    assert_close(gradient, expected)


@pytest.mark.parametrize('num_prompts', [1, 2, 6])
def test_prompts_leave_the_random_state_as_it_is(num_prompts):
    state = torch.get_rng_state()
    FreeKDLoss(4, num_prompts=num_prompts)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(loss_weight=-1.0), 'loss_weight must not be negative, got -1.0'),
        (dict(channels=0), r'must be one positive number.*got \[0, 0, 0\]'),
        (dict(channels=[4, 4]), r'num_levels=3 pyramid levels, got \[4, 4\]'),
        (
            dict(channels=None, num_levels=None),
            'needs the channels .*set channels, or prompt_ckpt',
        ),
        (dict(num_prompts=0, levels=0), 'levels must be a positive.*got 0'),
        (dict(position_gate=dict(side='left')), "got 'left'"),
        (
            dict(position_gate=dict(softmax_dim=1)),
            'softmax_dim must be -1 or -2, got 1',
        ),
    ],
)
def test_refuses_wrong_arguments_when_it_is_built(wrong, message):
    with pytest.raises(UsageError, match=message):
        FreeKDLoss(**{'channels': 4, 'num_levels': 3, **wrong})


@pytest.mark.parametrize(
    's_shape, t_shape, message',
    [
        (
            (2, 5, 8, 8),
            (2, 4, 8, 8),
            r'the student is \(2, 5, 8, 8\), that of the teacher '
            r'\(2, 4, 8, 8\).*FeatureAlignConnector',
        ),
        ((2, 4, 4, 4), (2, 4, 8, 8), 'FeatureAlignConnector.*resizes'),
        (
            (2, 5, 8, 8),
            (2, 5, 8, 8),
            "teacher's feature has 5 channels, FreeKDLoss expects 4.*"
            'teacher_recorders',
        ),
    ],
)
def test_refuses_features_that_do_not_fit(s_shape, t_shape, message):
    with pytest.raises(UsageError, match=f'pyramid level 0.*{message}'):
        FreeKDLoss(4)(torch.zeros(s_shape), torch.zeros(t_shape))


def test_refuses_another_number_of_levels():
    with pytest.raises(
        UsageError,
        match=r'expects 2 pyramid level\(s\), got 4: set num_levels=4',
    ):
        FreeKDLoss(4, 2)(*pyramids())


@pytest.mark.parametrize('diagonal', [None, True, False])
@pytest.mark.parametrize('kind', ['jaccard', 'dice'])
def test_dissimilarity_is_the_mean_overlap_of_the_levels(kind, diagonal):
    masks = [[torch.rand(2, 3, h, w) for h, w in SIZES] for _ in range(2)]
    masks.append([torch.rand(2, 3, 4, 4)])
    loss = PromptDissimilarityLoss(kind, 0.3, diagonal)
    # the paper counts a mask with itself, the official code does not
    counted = kind == 'jaccard' if diagonal is None else diagonal
    by_loops = sum(overlap_of(level, kind, counted) for level in masks) / 3
    assert_close(loss(masks), 0.3 * by_loops)


def test_dissimilarity_refuses_an_unknown_kind():
    with pytest.raises(UsageError, match="'jaccard', 'dice'.*got 'iou'"):
        PromptDissimilarityLoss('iou')
