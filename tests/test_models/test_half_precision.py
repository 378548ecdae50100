"""What half precision costs: the rounding of the features, at any size."""

import pytest
import torch
from torch.testing import assert_close

from mmfreekd.models import FeatureAlignConnector, FreeKDLoss
from mmfreekd.presets import PRESETS

SIZES = [(24, 20), (12, 10), (5, 3)]
CHANNELS = 8


def pyramid(scale):
    """Features as large as ``scale``, of both signs."""
    return [scale * (2 * torch.rand(2, CHANNELS, *size) - 1) for size in SIZES]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('scale', [1.0, 1e4])
def test_autocast_gives_the_loss_of_float32(dtype, preset, scale):
    s, t = pyramid(scale), pyramid(scale)
    loss = FreeKDLoss(CHANNELS, len(SIZES), preset=preset)
    align = FeatureAlignConnector(CHANNELS, CHANNELS, len(SIZES))
    for projection in align.projections:  # what trained connectors keep
        torch.nn.init.dirac_(projection.weight)
    expected = loss(align(s), t)
    half_s, half_t = ([x.to(dtype) for x in side] for side in (s, t))
    for x in half_s:
        x.requires_grad_()
    with torch.autocast('cpu', dtype):
        value = loss(align(half_s), half_t)
    assert value.dtype == torch.float32
    rtol = 4 * torch.finfo(dtype).eps  # 0.4 % of float16, 3 % of bfloat16
    assert_close(value, expected, rtol=rtol, atol=0)
    value.backward()
    for x in half_s:
        assert x.grad.dtype == dtype and x.grad.isfinite().all()
        assert x.grad.any()
