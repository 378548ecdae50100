import itertools
import random

import pytest
import torch
from references import distance_of, official_loss
from torch.testing import assert_close

from mmfreekd.frequency import (
    frequency_distance,
    frequency_masks,
    num_bands,
    wavedec2,
)

LAYOUTS = ['subband', 'level']
REDUCTIONS = ['mean', 'sum']
PROMPT_REDUCTIONS = (*REDUCTIONS, 'max')
PENALTIES = ['l1', 'mse', 'log_mse']
SIZES = [(9, 6), (2, 3), (1, 1)]
LOW_HIGH = [(True, 1.0), (True, 0.0), (True, 0.3), (False, 2.5)]


def make(
    size=(9, 6), num_prompts=2, levels=3, band_layout='subband', channels=3
):
    """Student and teacher, masks and weights, in float64."""
    s, t = torch.randn(2, 2, channels, *size, dtype=torch.float64)
    masks = None
    if num_prompts:
        prompts = torch.randn(
            num_bands(levels, band_layout),
            num_prompts,
            channels,
            dtype=torch.float64,
        )
        masks = frequency_masks(t, prompts, levels, band_layout)
    return s.requires_grad_(), t, masks, torch.rand_like(t[..., 0, 0])


def compare(levels, size, num_prompts, weighted, **switches):
    """Value and all gradients against loops, for one choice of switches."""
    s, t, masks, weights = make(
        size, num_prompts, levels, switches['band_layout']
    )
    weights = weights if weighted else None
    inputs = [s, t, *(masks or []), *([weights] if weighted else [])]
    for x in inputs:
        x.requires_grad_()
    value, expected = (
        distance(s, t, masks, weights, levels, **switches)
        for distance in (frequency_distance, distance_of)
    )
    assert_close(value, expected)
    # a mask of a band that does not count gets no gradient
    assert_close(
        *(
            torch.autograd.grad(
                v, inputs, allow_unused=True, materialize_grads=True
            )
            for v in (value, expected)
        )
    )


@pytest.mark.parametrize('reduction', REDUCTIONS)
@pytest.mark.parametrize('low_band, high_weight', LOW_HIGH)
@pytest.mark.parametrize('band_layout', LAYOUTS)
@pytest.mark.parametrize('num_prompts', [0, 1, 2, 6])
def test_value_and_gradient_equal_a_naive_loop(
    num_prompts, band_layout, low_band, high_weight, reduction
):
    for levels, size, weighted in itertools.product(
        (1, 3), SIZES, (True, False)
    ):
        compare(
            levels,
            size,
            num_prompts,
            weighted,
            band_layout=band_layout,
            low_band=low_band,
            high_weight=high_weight,
            reduction=reduction,
        )


@pytest.mark.parametrize('prompt_reduction', PROMPT_REDUCTIONS)
@pytest.mark.parametrize('high_penalty', PENALTIES)
@pytest.mark.parametrize('low_penalty', PENALTIES)
def test_penalties_and_prompt_reductions_equal_a_naive_loop(
    low_penalty, high_penalty, prompt_reduction
):
    for band_layout, num_prompts, size in itertools.product(
        LAYOUTS, (0, 1, 3), SIZES
    ):
        compare(
            2,
            size,
            num_prompts,
            True,
            band_layout=band_layout,
            low_penalty=low_penalty,
            high_penalty=high_penalty,
            prompt_reduction=prompt_reduction,
        )


def test_switches_do_not_get_in_each_others_way():
    # a sample of every switch with every other
    for low_high, *choices in random.Random(0).sample(
        [
            *itertools.product(
                LOW_HIGH,
                (1, 2, 3),
                SIZES,
                (0, 1, 2),
                (True, False),
                LAYOUTS,
                REDUCTIONS,
                PROMPT_REDUCTIONS,
                PENALTIES,
                PENALTIES,
            )
        ],
        300,
    ):
        names = 'band_layout reduction prompt_reduction'.split()
        names += ['low_penalty', 'high_penalty']
        switches = dict(zip(names, choices[4:], strict=True))
        low_band, high_weight = low_high
        compare(
            *choices[:4],
            low_band=low_band,
            high_weight=high_weight,
            **switches,
        )


@pytest.mark.parametrize('penalty', PENALTIES)
@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_gradcheck(wavelet, penalty):
    s, t, _, weights = make((5, 3), 0, channels=2)
    torch.autograd.gradcheck(
        lambda s, t, w: frequency_distance(
            s, t, None, w, 2, wavelet=wavelet, high_penalty=penalty
        ),
        (s, t.requires_grad_(), weights.requires_grad_()),
    )


@pytest.mark.parametrize('size', [(8, 8), (13, 6), (2, 3), (1, 1)])
def test_official_switches_give_the_official_loss(size):
    s, t, *_ = make(size)
    prompts = torch.randn(4, 6, 3, dtype=torch.float64)
    value = frequency_distance(
        s,
        t,
        frequency_masks(t, prompts, 3, 'level'),
        band_layout='level',
        low_band=False,
    )
    expected = official_loss([s], [t], [prompts])
    assert_close(value, expected)
    assert_close(
        torch.autograd.grad(value, s), torch.autograd.grad(expected, s)
    )


@pytest.mark.parametrize('reduction', REDUCTIONS)
@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_low_and_high_bands_add_up(band_layout, reduction):
    s, t, masks, weights = make(band_layout=band_layout)
    switches = dict(band_layout=band_layout, reduction=reduction)
    every = frequency_distance(s, t, masks, weights, **switches)
    high = frequency_distance(s, t, masks, weights, low_band=False, **switches)
    low = frequency_distance(s, t, masks, weights, high_weight=0, **switches)
    by_hand = (
        wavedec2(t - s).low.abs()
        * weights[..., None, None]
        * masks[0].mean(1, keepdim=True)
    )
    assert_close(low, getattr(by_hand, reduction)())
    assert_close(every, high + low)
    assert every > high > 0 and low > 0


@pytest.mark.parametrize(
    'penalty, value',
    # log(1 + |2|) ^ 2 = 1.2069
    [('l1', 2.0), ('mse', 4.0), ('log_mse', 1.2069489608396)],
)
@pytest.mark.parametrize('difference', [2.0, -2.0])
def test_what_a_difference_costs(penalty, value, difference):
    t = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    columns = torch.tensor([1.0, -1.0], dtype=torch.float64)
    # a low band of the difference, and a vertical detail of it
    for s, low in ((t + difference / 2, True), (columns.expand_as(t), False)):
        for low_penalty, high_penalty in ((penalty, 'l1'), ('l1', penalty)):
            cost = frequency_distance(
                s,
                t,
                levels=1,
                low_penalty=low_penalty,
                high_penalty=high_penalty,
            )
            chosen = low_penalty if low else high_penalty
            expected = value if chosen == penalty else 2.0
            assert_close(cost, torch.tensor(expected, dtype=torch.float64))


def test_the_relaxed_penalty_cares_less_for_what_is_far_off():
    t = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    near, far = (
        frequency_distance(s, t, low_penalty='log_mse', high_penalty='log_mse')
        for s in (t + 1, t + 100)
    )
    assert near < far < 100 * near


@pytest.mark.parametrize('penalty', PENALTIES)
def test_a_mask_weighs_the_penalty_and_not_the_difference(penalty):
    s, t, masks, _ = make(num_prompts=1)
    penalties = dict(low_penalty=penalty, high_penalty=penalty)
    halves = [torch.full_like(mask, 0.5) for mask in masks]
    assert_close(
        frequency_distance(s, t, halves, **penalties),
        0.5 * frequency_distance(s, t, **penalties),
    )


@pytest.mark.parametrize('num_prompts', [1, 2, 6])
def test_the_sum_over_prompts_is_their_mean_times_their_number(num_prompts):
    s, t, masks, weights = make(num_prompts=num_prompts)
    mean, total = (
        frequency_distance(s, t, masks, weights, prompt_reduction=r)
        for r in REDUCTIONS
    )
    assert_close(total, num_prompts * mean)


def test_equal_features_have_no_distance():
    s, _, masks, weights = make()
    value = frequency_distance(s, s.detach().clone(), masks, weights)
    assert_close(value, torch.zeros_like(value))


def test_does_not_depend_on_the_order_of_the_prompts():
    s, t, masks, _ = make(num_prompts=3)
    flipped = [mask.flip(1) for mask in masks]
    assert_close(
        frequency_distance(s, t, flipped), frequency_distance(s, t, masks)
    )


def test_weights_scale_their_channel():
    s, t, masks, _ = make(channels=2)
    parts = []
    for one in torch.eye(2, dtype=torch.float64):
        weights = one.expand(2, 2).contiguous()
        parts.append(frequency_distance(s, t, masks, weights))
    assert_close(sum(parts), frequency_distance(s, t, masks))
    alone = [mask.clone() for mask in masks]
    assert_close(2 * parts[0], frequency_distance(s[:, :1], t[:, :1], alone))


@pytest.mark.parametrize('num_prompts', [0, 2])
def test_autocast_computes_in_float32(num_prompts):
    s, t, masks, weights = make(num_prompts=num_prompts)
    s, t, weights = (v.detach().float() for v in (s, t, weights))
    masks = masks and [mask.float() for mask in masks]
    expected = frequency_distance(s, t, masks, weights)
    with torch.autocast('cpu', torch.bfloat16):
        value = frequency_distance(s, t, masks, weights)
    assert_close(value, expected, rtol=0, atol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_features_are_compared_in_float32(dtype):
    s, t, *_ = (
        v.detach().to(dtype) for v in make(num_prompts=0) if v is not None
    )
    value = frequency_distance(s, t)
    assert value.dtype == torch.float32
    assert_close(value, frequency_distance(s.float(), t.float()))
    # a mean over pixels that overflows or drowns in half precision
    far = torch.full((1, 1, 64, 64), 3e4, dtype=torch.float16)
    value = frequency_distance(far, -far)
    assert_close(value, torch.tensor(8 * 6e4))
    # 1.8e9, which is infinite in float16, and a gradient that is not
    far.requires_grad_()
    value = frequency_distance(far, far.detach() - 1e4, low_penalty='mse')
    assert_close(value, torch.tensor((8 * 1e4) ** 2), rtol=2e-3, atol=0)
    (grad,) = torch.autograd.grad(value, far)
    assert grad.dtype == torch.float16 and grad.isfinite().all()


@pytest.mark.parametrize('penalty', PENALTIES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_off_by_no_more_than_its_features(dtype, penalty):
    s, t, masks, weights = make((32, 24))
    rounded = s.to(dtype), t.to(dtype)
    switches = dict(low_penalty=penalty, high_penalty=penalty)
    assert_close(
        frequency_distance(
            *rounded, [m.float() for m in masks], weights.float(), **switches
        ),
        frequency_distance(s, t, masks, weights, **switches),
        rtol=2 * torch.finfo(dtype).eps,
        atol=0,
        check_dtype=False,
    )


def test_memory_layout_does_not_matter():
    s, t, masks, weights = make()
    expected = frequency_distance(s, t, masks, weights)
    other = s.detach().to(memory_format=torch.channels_last)
    turned = t.transpose(2, 3).contiguous().transpose(2, 3)
    value = frequency_distance(other, turned, masks, weights)
    assert_close(value, expected.detach())


def test_refuses_features_of_different_shape():
    s, t, *_ = make()
    with pytest.raises(
        ValueError,
        match=r'\(2, 3, 9, 6\) and \(2, 3, 9, 5\)'
        '.*FeatureAlignConnector',
    ):
        frequency_distance(s, t[..., :5])


@pytest.mark.parametrize('shape', [(2,), (2, 4), (3, 2), (2, 3, 1, 1)])
def test_refuses_weights_of_another_shape(shape):
    s, t, *_ = make()
    with pytest.raises(
        ValueError,
        match=r'weights must be \(N, C\) = '
        r'\(2, 3\), got',
    ):
        frequency_distance(s, t, weights=torch.ones(shape))


def test_refuses_masks_of_other_switches():
    s, t, masks, _ = make(band_layout='level')
    with pytest.raises(ValueError, match='expected 10 masks.*got 4'):
        frequency_distance(s, t, masks)
    with pytest.raises(ValueError, match='expected 3 masks.*got 4'):
        frequency_distance(s, t, masks, levels=2, band_layout='level')


def test_refuses_an_unknown_reduction():
    s, t, *_ = make()
    with pytest.raises(ValueError, match="'mean', 'sum'.*got 'none'"):
        frequency_distance(s, t, reduction='none')


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(prompt_reduction='min'), "prompt_reduction.*got 'min'"),
        (dict(low_penalty='l2'), "low_penalty.*'log_mse'.*got 'l2'"),
        (dict(high_penalty='l2'), "high_penalty.*'log_mse'.*got 'l2'"),
        (
            dict(low_band=False, high_weight=0.0),
            'low_band is False and high_weight is 0',
        ),
        (dict(high_weight=-1.0), 'high_weight must be.*0 or more.*got -1.0'),
        (dict(high_weight=float('nan')), 'high_weight.*finite, got nan'),
        (dict(high_weight='0.3'), "high_weight must be a number.*got '0.3'"),
    ],
)
def test_refuses_a_choice_that_it_does_not_know(wrong, message):
    s, t, *_ = make()
    with pytest.raises(ValueError, match=message):
        frequency_distance(s, t, **wrong)
