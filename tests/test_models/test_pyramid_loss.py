import mmdet.models  # noqa: F401
import mmrazor.models  # noqa: F401
import pytest
import torch
from mmrazor.models.losses import (
    ChannelWiseDivergence,
    L1Loss,
    L2Loss,
    MGDLoss,
    PKDLoss,
)
from torch.nn import functional as F
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.models import PyramidLoss
from mmfreekd.registry import MODELS

SIZES = [(8, 12), (4, 6), (2, 3)]
MSE = dict(type='mmrazor.L2Loss', normalize=False, div_element=True)


def features(channels=4, **kwargs):
    """A pyramid of the student's and one of the teacher's."""
    return tuple(
        tuple(torch.randn(2, channels, *size, **kwargs) for size in SIZES)
        for _ in range(2)
    )


@pytest.mark.parametrize(
    'cfg, single',
    [
        (MSE, F.mse_loss),
        (dict(type='mmrazor.L2Loss', loss_weight=3.0), L2Loss(3.0)),
        (dict(type='mmrazor.L1Loss'), L1Loss()),
        (
            dict(type='mmrazor.ChannelWiseDivergence', tau=2.0),
            ChannelWiseDivergence(2.0),
        ),
        (dict(type='mmrazor.PKDLoss'), PKDLoss()),
        (dict(type='mmrazor.MGDLoss', alpha_mgd=0.1), MGDLoss(0.1)),
        (dict(type='mmdet.SmoothL1Loss', beta=0.5), None),
    ],
    ids=lambda value: value['type'] if isinstance(value, dict) else '',
)
def test_is_the_sum_over_the_levels(cfg, single):
    if single is None:

        def single(s, t):
            return F.smooth_l1_loss(s, t, beta=0.5)

    s_levels, t_levels = features()
    expected = 0
    for s, t in zip(s_levels, t_levels, strict=True):
        expected = expected + single(s, t)
    loss = PyramidLoss(cfg, 3, loss_weight=0.3)
    assert_close(loss(s_levels, t_levels), 0.3 * expected)


def test_a_tensor_is_a_pyramid_of_one_level():
    (s, *_), (t, *_) = features()
    loss = MODELS.build(dict(type='mmfreekd.PyramidLoss', loss=MSE))
    assert_close(loss(s, t), F.mse_loss(s, t))
    assert_close(loss(s, t), loss((s,), [t]))


def test_the_student_comes_first():
    """The divergence is not symmetric: a teacher's zero costs nothing."""
    s, t = torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.0, -50.0]]]])
    loss = PyramidLoss(dict(type='mmrazor.ChannelWiseDivergence'))
    assert_close(loss(s, t), torch.tensor(2.0).log())
    assert loss(t, s) > 20


def test_only_the_student_gets_a_gradient():
    s_levels, t_levels = features(requires_grad=True)
    PyramidLoss(MSE, 3)(s_levels, t_levels).backward()
    for s, t in zip(s_levels, t_levels, strict=True):
        assert t.grad is None
        assert_close(s.grad, 2 * (s - t).detach() / s.numel())


def test_weight_zero_switches_it_off():
    s_levels, t_levels = features(requires_grad=True)
    value = PyramidLoss(MSE, 3, loss_weight=0.0)(s_levels, t_levels)
    assert value == 0
    value.backward()
    assert not any(s.grad.any() for s in s_levels)


def test_each_level_has_its_own_copy():
    cfg = dict(type='mmdet.SmoothL1Loss')
    first, second = PyramidLoss(cfg, 2).losses
    assert first is not second
    assert cfg == dict(type='mmdet.SmoothL1Loss')


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(num_levels=0), 'num_levels must be positive, got 0'),
        (dict(loss_weight=-1.0), 'loss_weight must not be negative, got -1.0'),
    ],
)
def test_refuses_wrong_arguments_when_it_is_built(wrong, message):
    with pytest.raises(UsageError, match=message):
        PyramidLoss(MSE, **wrong)


def test_refuses_another_number_of_levels():
    with pytest.raises(UsageError, match=r'PyramidLoss expects 2.*got 3'):
        PyramidLoss(MSE, 2)(*features())


@pytest.mark.parametrize('name', ['mmrazor.L2Loss', 'mmdet.SmoothL1Loss'])
def test_refuses_shapes_that_the_loss_cannot_compare(name):
    (s, *_), (t, *_) = features(4)[0], features(6)[1]
    with pytest.raises(
        UsageError,
        match=r'level 0.*\(2, 4, 8, 12\) and \(2, 6, 8, 12\).*'
        'FeatureAlignConnector',
    ):
        PyramidLoss(dict(type=name))(s, t)


def test_leaves_shapes_to_a_loss_that_can_compare_them():
    (s, *_), (t, *_) = features(4)[0], features(6)[1]
    assert PyramidLoss(dict(type='mmrazor.ATLoss', loss_weight=1.0))(s, t) > 0
