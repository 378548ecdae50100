"""Position-aware weights against loops, and why they cannot collapse."""

import pytest
import torch
import torch.nn.functional as F
from references import (
    averaged_of,
    halved_of,
    position_weights_of,
    relation_of,
)

from mmfreekd.frequency import channel_relation, position_weights


@pytest.mark.parametrize('dim', [-1, -2])
def test_relation_equals_loops(dim):
    feature, context = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(
        channel_relation(feature, context, dim),
        relation_of(feature, context, dim),
    )


@pytest.mark.parametrize('dim', [-1, -2])
@pytest.mark.parametrize('own', [True, False])
@pytest.mark.parametrize('size', [(8, 6), (7, 5), (2, 3), (1, 1)])
def test_weights_equal_loops(size, own, dim):
    feature = torch.randn(2, 4, *size, dtype=torch.float64)
    # such as a level of a pyramid that is rounded another way
    context = None if own else torch.randn(2, 4, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(
        position_weights(feature, context, softmax_dim=dim),
        position_weights_of(feature, context, dim),
    )


@pytest.mark.parametrize('size', [(8, 6), (7, 5), (2, 3), (1, 1)])
def test_the_references_average_as_pytorch_does(size):
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    torch.testing.assert_close(
        halved_of(x), F.avg_pool2d(x, 2, ceil_mode=True)
    )
    torch.testing.assert_close(
        averaged_of(x, (1, 1)), F.adaptive_avg_pool2d(x, 1)
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('own', [True, False])
def test_half_precision_is_related_in_float32(own, dtype):
    feature = torch.randn(2, 4, 9, 6).to(dtype)
    context = None if own else torch.randn(2, 4, 4, 3).to(dtype)
    weights = position_weights(feature, context)
    assert weights.dtype == torch.float32
    torch.testing.assert_close(
        weights,
        position_weights(feature.float(), None if own else context.float()),
    )


def test_the_finer_map_is_averaged_to_the_coarser():
    feature = torch.randn(1, 3, 8, 6)
    context = torch.randn(1, 3, 4, 3)
    torch.testing.assert_close(
        channel_relation(feature, context),
        channel_relation(F.avg_pool2d(feature, 2), context),
    )


def test_without_context_a_feature_is_its_own():
    feature = torch.randn(1, 3, 8, 6)
    torch.testing.assert_close(
        channel_relation(feature),
        channel_relation(feature, F.avg_pool2d(feature, 2)),
    )


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (9, 7)])
@pytest.mark.parametrize('dim', [-1, -2])
@pytest.mark.parametrize('gated', [False, True])
def test_weights_are_positive_with_mean_one(size, dim, gated):
    gate = torch.nn.Sequential(torch.nn.Linear(5, 1), torch.nn.Flatten(-2))
    weights = position_weights(
        10 * torch.randn(2, 5, *size), None, gate if gated else None, dim
    )
    assert weights.shape == (2, 5)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.mean(1), torch.ones(2))


def test_channels_that_relate_to_the_context_weigh_more():
    context = torch.zeros(1, 4, 4, 4)
    context[:, 0] = torch.randn(4, 4)
    feature = torch.zeros(1, 4, 4, 4)
    feature[:, 2] = 3 * context[:, 0]
    weights = position_weights(feature, context)[0]
    assert weights.argmax() == 2


def test_wrong_arguments_are_named():
    x = torch.randn(1, 4, 4, 4)
    with pytest.raises(ValueError, match='same batch and channels'):
        position_weights(x, torch.randn(1, 5, 2, 2))
    with pytest.raises(ValueError, match='softmax_dim must be -1 or -2'):
        position_weights(x, softmax_dim=1)


@pytest.mark.parametrize('dim', [-1, -2])
def test_neither_softmax_makes_all_channels_alike(dim):
    weights = position_weights(3 * torch.randn(1, 5, 6, 6), softmax_dim=dim)
    assert weights.std() > 0.01
