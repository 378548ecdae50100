"""The models and losses that only the experiments need."""

import pytest
import torch
from torch.testing import assert_close

from benchmarks.models import (
    EfficientNetLite,
    EnergyMaskLoss,
    MaskControlLoss,
    WeightedCrossEntropy,
)
from mmfreekd.models import FreeKDLoss


@pytest.mark.parametrize(
    'arguments, shapes',
    [
        ({}, [(40, 8, 8), (112, 4, 4), (320, 2, 2)]),
        (dict(out_indices=(4,), max_stride=8), [(112, 8, 8)]),
    ],
)
def test_strides_and_channels_of_the_backbone(arguments, shapes):
    outputs = EfficientNetLite(**arguments)(torch.randn(2, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in outputs] == shapes
    assert all(x.is_contiguous() for x in outputs)


def test_weights_that_lack_a_layer_are_an_error(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(EfficientNetLite(out_indices=(2,)).state_dict(), path)
    model = EfficientNetLite(out_indices=(1,), checkpoint=str(path))
    model.init_weights()
    with pytest.raises(KeyError):
        EfficientNetLite(checkpoint=str(path)).init_weights()


@pytest.mark.parametrize('control', ['shuffled', 'flat'])
def test_controls_keep_the_mean_of_the_masks(control):
    s, t = torch.randn(2, 3, 4, 16, 16)
    loss = MaskControlLoss(channels=4, levels=2, change=control)
    usual = FreeKDLoss(channels=4, levels=2)
    loss.prompts_0 = usual.prompts_0 = torch.randn(7, 2, 4)
    for mask, own in zip(loss.masks(s, t, 0), usual.masks(s, t, 0)):
        assert mask.shape == own.shape
        assert_close(mask.mean(dim=(0, 2, 3)), own.mean(dim=(0, 2, 3)))
        if control == 'shuffled':
            assert_close(mask[1], own[0])
        else:
            assert mask.std(dim=(2, 3)).max() < 1e-6


def test_energy_masks_are_high_where_the_teacher_has_an_edge():
    t = torch.zeros(1, 4, 16, 16)
    t[:, :, :, 9:] = 1
    loss = EnergyMaskLoss(channels=4, num_prompts=0, position_gate=None)
    masks = loss.masks(torch.zeros_like(t), t, 0)
    assert len(masks) == 10
    # a vertical edge inside the fifth block: in the vertical band alone
    vertical = masks[2][0, 0]
    assert_close(vertical[:, 4], torch.full((8,), 8.0))
    assert vertical.sum() == vertical[:, 4].sum() and not masks[1].any()
    assert loss(torch.randn_like(t), t) > 0


def test_a_control_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="got 'none'"):
        MaskControlLoss(channels=4, change='none')


def test_the_cross_entropy_ignores_void():
    score, label = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    loss = WeightedCrossEntropy([1.0, 2.0, 3.0])
    expected = loss(score[:, :, 1:], label[:, 1:])
    label[:, 0] = 255
    assert_close(loss(score, label), expected)
