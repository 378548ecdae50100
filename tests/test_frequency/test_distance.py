import itertools

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

# what RetinaNet's FPN makes of an image of 800 x 1216 pixels
FPN_SIZES = [(100, 152), (50, 76), (25, 38), (13, 19), (7, 10)]


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


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('low_band', [True, False])
@pytest.mark.parametrize('band_layout', ['subband', 'level'])
@pytest.mark.parametrize('num_prompts', [0, 1, 2, 6])
def test_value_and_gradient_equal_a_naive_loop(
    num_prompts, band_layout, low_band, reduction
):
    switches = dict(
        band_layout=band_layout, low_band=low_band, reduction=reduction
    )
    for levels, size, weighted in itertools.product(
        (1, 3), [(9, 6), (2, 3), (1, 1)], (True, False)
    ):
        s, t, masks, weights = make(size, num_prompts, levels, band_layout)
        args = (s, t, masks, weights if weighted else None, levels)
        value = frequency_distance(*args, **switches)
        expected = distance_of(*args, **switches)
        assert_close(value, expected)
        (grad,), (expected_grad,) = (
            torch.autograd.grad(v, s) for v in (value, expected)
        )
        assert_close(grad, expected_grad)


@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_gradcheck(wavelet):
    s, t, _, weights = make((5, 3), 0)
    torch.autograd.gradcheck(
        lambda s, t, w: frequency_distance(s, t, None, w, wavelet=wavelet),
        (s, t.requires_grad_(), weights.requires_grad_()),
    )


def test_official_switches_give_the_official_loss():
    channels = 256
    prompts = torch.randn(5, 4, 6, channels) * 0.3
    s_levels = [
        torch.randn(1, channels, *size, requires_grad=True)
        for size in FPN_SIZES
    ]
    t_levels = [torch.randn(1, channels, *size) for size in FPN_SIZES]
    value = sum(
        frequency_distance(
            s,
            t,
            frequency_masks(t, p, 3, 'level'),
            band_layout='level',
            low_band=False,
        )
        for s, t, p in zip(s_levels, t_levels, prompts, strict=True)
    )
    expected = official_loss(s_levels, t_levels, prompts)
    assert_close(value, expected, rtol=1e-5, atol=0)
    grads = torch.autograd.grad(value, s_levels)
    expected_grads = torch.autograd.grad(expected, s_levels)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        scale = expected_grad.abs().max().item()
        assert_close(grad, expected_grad, rtol=1e-5, atol=1e-5 * scale)


def test_a_mask_can_be_taken_out_of_the_difference():
    # |M a - M b| = M |a - b| for a positive M
    a, b = torch.randn(2, 4, 3, 5, 5, dtype=torch.float64)
    mask = torch.rand(4, 1, 5, 5, dtype=torch.float64)
    assert_close((mask * a - mask * b).abs(), mask * (a - b).abs())


@pytest.mark.parametrize('wavelet', ['haar', 'sym4'])
def test_the_difference_can_be_transformed_instead_of_both(wavelet):
    s, t, *_ = make()
    s_bands, t_bands = (wavedec2(x, 3, wavelet) for x in (s, t))
    together = wavedec2(t - s, 3, wavelet)
    assert_close(together.low, t_bands.low - s_bands.low)
    for d, a, b in zip(together.high, t_bands.high, s_bands.high, strict=True):
        assert_close(d, a - b)


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('band_layout', ['subband', 'level'])
def test_low_and_high_bands_add_up(band_layout, reduction):
    s, t, masks, weights = make(band_layout=band_layout)
    switches = dict(band_layout=band_layout, reduction=reduction)
    every = frequency_distance(s, t, masks, weights, **switches)
    high = frequency_distance(s, t, masks, weights, low_band=False, **switches)
    low = (
        wavedec2(t - s).low.abs()
        * weights[..., None, None]
        * masks[0].mean(1, keepdim=True)
    )
    assert_close(every, high + getattr(low, reduction)())
    assert every > high


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
    assert_close(value, frequency_distance(s.float(), t.float()))
    # a mean over pixels that overflows or drowns in half precision
    far = torch.full((1, 1, 64, 64), 3e4, dtype=torch.float16)
    value = frequency_distance(far, -far)
    assert_close(value, torch.tensor(8 * 6e4))


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
