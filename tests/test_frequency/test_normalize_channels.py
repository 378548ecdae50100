"""Normalised channels, and what the distance is between them."""

import pytest
import torch
from references import normalized_of
from torch.testing import assert_close

from mmfreekd.frequency import frequency_distance, normalize_channels

SIZES = [(8, 8), (16, 4), (13, 6), (2, 3)]


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('size', [*SIZES, (1, 1)])
def test_value_and_gradient_equal_a_naive_loop(size, batch):
    x = torch.randn(batch, 4, *size, dtype=torch.float64, requires_grad=True)
    out, expected = normalize_channels(x), normalized_of(x)
    assert_close(out, expected)
    pull = torch.randn_like(out)
    assert_close(
        torch.autograd.grad(out, x, pull),
        torch.autograd.grad(expected, x, pull),
    )


def test_channels_have_mean_0_and_deviation_1_over_batch_and_space():
    scales = torch.tensor([0.1, 1.0, 30.0])[:, None, None]
    out = normalize_channels(5 + scales * torch.randn(2, 3, 9, 7))
    channels = out.transpose(0, 1).flatten(1)
    assert_close(channels.mean(1), torch.zeros(3), rtol=0, atol=1e-5)
    assert_close(
        channels.std(1, correction=0), torch.ones(3), rtol=1e-4, atol=0
    )
    # not of each image by itself
    assert out.mean(dim=(2, 3)).abs().max() > 0.01


@pytest.mark.parametrize('penalty', ['l1', 'mse', 'log_mse'])
def test_the_distance_asks_neither_for_scale_nor_for_shift(penalty):
    s, t = torch.randn(2, 2, 4, 10, 7, dtype=torch.float64)
    scale = torch.tensor([2.0, 30.0, 1e3, 1e4], dtype=torch.float64)
    scale = scale[:, None, None]

    def distance(s, t):
        return frequency_distance(
            normalize_channels(s),
            normalize_channels(t),
            low_penalty=penalty,
            high_penalty=penalty,
        )

    expected = distance(s, t)
    for moved in ((scale * s - 3, t), (s, scale * t + 7)):
        assert_close(distance(*moved), expected, rtol=1e-5, atol=0)
    # it does ask for the sign
    assert distance(-t, t) > 1
    nothing = distance(scale * s + 5, s)
    assert_close(nothing, torch.zeros_like(nothing), rtol=0, atol=1e-5)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('value', [0.0, 3.0, -1e4])
def test_a_channel_that_is_the_same_everywhere_is_all_zero(value, dtype):
    x = torch.randn(2, 3, 4, 5).to(dtype)
    x[:, 1] = value
    x.requires_grad_()
    out = normalize_channels(x)
    assert_close(out[:, 1], torch.zeros(2, 4, 5))
    frequency_distance(out, torch.randn(2, 3, 4, 5)).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('scale', [1e-2, 1.0, 1e4])
def test_half_precision_is_normalised_in_float32(dtype, scale):
    # the sum of squares of the largest is infinite in float16
    x = (scale * torch.randn(2, 3, 16, 16)).to(dtype)
    out = normalize_channels(x)
    assert out.dtype == torch.float32
    assert_close(out, normalize_channels(x.float()), rtol=0, atol=0)
    assert out.isfinite().all()


def test_autocast_does_not_lower_the_precision():
    x = torch.randn(2, 3, 8, 8)
    expected = normalize_channels(x)
    with torch.autocast('cpu', torch.bfloat16):
        assert_close(normalize_channels(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize('levels', [1, 2, 3])
@pytest.mark.parametrize('band_layout', ['subband', 'level'])
@pytest.mark.parametrize('size', SIZES)
def test_squares_add_up_to_the_spatial_squared_error(
    size, band_layout, levels
):
    # Parseval: an orthonormal transform keeps what the squares add up to
    s, t = torch.randn(2, 2, 3, *size, dtype=torch.float64)
    s, t = normalize_channels(s.requires_grad_()), normalize_channels(t)
    value = frequency_distance(
        s,
        t,
        levels=levels,
        band_layout=band_layout,
        reduction='sum',
        low_penalty='mse',
        high_penalty='mse',
    )
    expected = torch.nn.functional.mse_loss(s, t, reduction='sum')
    assert_close(value, expected)
    assert_close(
        torch.autograd.grad(value, s, retain_graph=True),
        torch.autograd.grad(expected, s),
    )
