"""Two thousand random cases of what always holds, seeds as test names."""

import random

import pytest
import torch
from torch.testing import assert_close

from mmfreekd.frequency import (
    apply_masks,
    frequency_distance,
    frequency_masks,
    mask_overlap,
    num_bands,
    wavedec2,
    waverec2,
)

CASES, BLOCKS = 2000, 20
# float16 and bfloat16 are computed in float32, of inputs that are rounded
TOLERANCE = {
    torch.float64: 1e-10,
    torch.float32: 2e-5,
    torch.float16: 2e-5,
    torch.bfloat16: 2e-5,
}


def draw(seed):
    """A random feature, prompts and layout."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    dtype = rng.choice(list(TOLERANCE))
    size = [rng.randint(1, most) for most in (3, 9, 33, 33)]
    scale = 10 ** rng.uniform(-3, 4)
    levels, layout = rng.randint(1, 5), rng.choice(['subband', 'level'])
    num_prompts = rng.randint(1, 6)
    x, y = (torch.randn(2, *size, dtype=torch.float64) * scale).to(dtype)
    if rng.random() < 0.3 and size[2] > 1:  # not contiguous
        x, y = x.transpose(2, 3), y.transpose(2, 3)
    bands = num_bands(levels, layout)
    prompts = torch.randn(bands, num_prompts, size[1]).to(dtype) / scale
    return x, y, prompts, levels, layout, rng


def check(seed):
    x, y, prompts, levels, layout, rng = draw(seed)
    wide = torch.promote_types(x.dtype, torch.float32)
    rtol = TOLERANCE[x.dtype]
    a, b = x.to(wide), y.to(wide)
    near = dict(rtol=rtol, atol=rtol * float(a.abs().max() + b.abs().max()))
    bands = wavedec2(a, levels)
    # the transform inverts itself and keeps the energy
    assert_close(waverec2(bands, a.shape[-2:]), a, **near)
    energy = sum(part.square().sum() for part in (bands.low, *bands.high))
    assert_close(energy, a.square().sum(), rtol=10 * rtol, atol=0)
    # masks lie between 0 and 1, whatever the feature
    masks = frequency_masks(x, prompts, levels, layout)
    assert len(masks) == num_bands(levels, layout)
    for mask in masks:
        assert mask.dtype == wide and ((mask >= 0) & (mask <= 1)).all()
    assert 0 <= mask_overlap(masks, diagonal=True) <= 1 + 1e-5
    # apply_masks never adds more than T times what was there
    masked = apply_masks(bands, masks, layout)
    most = bands.low.abs() * prompts.size(1) * (1 + rtol)
    assert (masked.low.abs() <= most).all()
    # a distance: zero of itself, symmetric, below that without masks
    options = dict(levels=levels, band_layout=layout)
    distance = frequency_distance(x, y, masks, **options)
    assert distance.dtype == wide and distance.isfinite()
    assert frequency_distance(x, x, masks, **options) == 0
    assert_close(
        frequency_distance(y, x, masks, **options), distance, rtol=0, atol=0
    )
    plain = frequency_distance(x, y, **options)
    assert 0 <= distance <= plain * (1 + rtol)
    # it scales with the features, and with the weights of the channels
    factor = rng.choice([0.5, 2.0])  # exact in every dtype
    weights = torch.full(x.shape[:2], factor, dtype=wide)
    assert_close(
        frequency_distance(x, y, masks, weights, **options),
        factor * distance,
        rtol=10 * rtol,
        atol=0,
    )
    assert_close(
        frequency_distance(factor * a, factor * b, **options),
        factor * plain,
        rtol=10 * rtol,
        atol=0,
    )


@pytest.mark.parametrize('block', range(BLOCKS))
def test_what_always_holds(block):
    each = CASES // BLOCKS
    for seed in range(block * each, (block + 1) * each):
        try:
            check(seed)
        except AssertionError as error:
            raise AssertionError(f'seed {seed}: {error}') from error
