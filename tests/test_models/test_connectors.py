import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.models import FeatureAlignConnector


@pytest.mark.parametrize('kernel_size', [1, 3])
def test_projects_each_level_on_its_own(kernel_size):
    connector = FeatureAlignConnector(3, 5, 2, kernel_size)
    feature = (torch.randn(2, 3, 8, 6), torch.randn(2, 3, 4, 3))
    out = connector(feature)
    assert isinstance(out, tuple) and len(out) == 2
    for x, y, conv in zip(feature, out, connector.projections, strict=True):
        assert y.shape == (2, 5, *x.shape[2:])
        assert_close(
            y, F.conv2d(x, conv.weight, conv.bias, padding=kernel_size // 2)
        )


def test_levels_may_differ_in_channels():
    connector = FeatureAlignConnector([3, 4], [5, 6])
    out = connector((torch.randn(1, 3, 4, 4), torch.randn(1, 4, 2, 2)))
    assert [tuple(y.shape) for y in out] == [(1, 5, 4, 4), (1, 6, 2, 2)]


@pytest.mark.parametrize('size', [(8, 12), (2, 3), (4, 6), (5, 6)])
def test_resizes_to_the_size_of_the_teacher(size):
    connector = FeatureAlignConnector(3, 5)
    x = torch.randn(2, 3, 4, 6)
    expected = F.interpolate(
        connector.projections[0](x), size, mode='bilinear', align_corners=False
    )
    assert_close(connector(x, [size]), expected)


def test_gradients_reach_every_projection():
    connector = FeatureAlignConnector(3, 5, 2)
    out = connector((torch.randn(1, 3, 4, 4), torch.randn(1, 3, 2, 2)))
    sum(y.square().sum() for y in out).backward()
    for parameter in connector.parameters():
        assert parameter.grad.abs().min() > 0


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(kernel_size=2), 'kernel_size must be odd, got 2'),
        (dict(kernel_size=-1), 'kernel_size must be odd, got -1'),
        (
            dict(in_channels=[3, 3, 3]),
            r'num_levels=2 pyramid levels, got \[3, 3',
        ),
        (dict(out_channels=[5]), r'num_levels=2 pyramid levels, got \[5\]'),
        (dict(out_channels=0), r'one positive number.*got \[0, 0\]'),
    ],
)
def test_refuses_wrong_arguments(wrong, message):
    with pytest.raises(UsageError, match=message):
        FeatureAlignConnector(
            **{'in_channels': 3, 'out_channels': 5, 'num_levels': 2, **wrong}
        )


def test_refuses_a_feature_that_does_not_fit():
    connector = FeatureAlignConnector(3, 5, 2)
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(
        UsageError,
        match=r'expects 2 pyramid level\(s\), '
        'got 1: set num_levels=1',
    ):
        connector(x)
    with pytest.raises(
        UsageError,
        match="level 1 of the student's feature "
        'has 4 channels.*expects 3: set in_channels=4',
    ):
        connector((x, torch.zeros(1, 4, 4, 4)))
