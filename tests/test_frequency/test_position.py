"""Position-aware weights against loops, and why they cannot collapse."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmfreekd.frequency import channel_relation, position_weights


def _reference_relation(feature, context, dim):
    """softmax of the mean over pixels of context_i * feature_j, in loops."""
    batch, channels, height, width = feature.shape
    out = torch.empty(batch, channels, channels, dtype=feature.dtype)
    for n in range(batch):
        for i in range(channels):
            for j in range(channels):
                out[n, i, j] = sum(
                    context[n, i, y, x] * feature[n, j, y, x]
                    for y in range(height)
                    for x in range(width)
                ) / (height * width)
        exps = [[math.exp(v) for v in row] for row in out[n]]
        for i in range(channels):
            for j in range(channels):
                total = (
                    sum(exps[i])
                    if dim == -1
                    else sum(exps[k][j] for k in range(channels))
                )
                out[n, i, j] = exps[i][j] / total
    return out


@pytest.mark.parametrize('dim', [-1, -2])
def test_relation_equals_loops(dim):
    feature, context = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(
        channel_relation(feature, context, dim),
        _reference_relation(feature, context, dim),
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
