"""The position gate in the loss: weighs, but does not replace learning."""

import pytest
import torch
from references import position_weights_of

from mmfreekd.errors import UsageError
from mmfreekd.frequency import frequency_distance, position_weights
from mmfreekd.models import FreeKDLoss, PositionGate


def pyramid(channels=6):
    return tuple(torch.randn(2, channels, n, n) for n in (8, 4, 2))


@pytest.mark.parametrize('side', ['both', 'student', 'teacher'])
def test_weights_are_the_scaled_product_of_the_sides(side):
    student, teacher = pyramid(), pyramid()
    weights = PositionGate(6, side)(student, teacher)
    for level, weight in enumerate(weights):
        expected = torch.ones(2, 6)
        for name, features in (('student', student), ('teacher', teacher)):
            if side in (name, 'both'):
                context = features[level + 1] if level < 2 else None
                expected = expected * position_weights(
                    features[level], context
                )
        expected = expected / expected.mean(1, keepdim=True)
        torch.testing.assert_close(weight, expected)


@pytest.mark.parametrize('dim', [-1, -2])
@pytest.mark.parametrize('side', ['both', 'student', 'teacher'])
def test_weights_equal_loops(side, dim):
    features = dict(
        student=[x.double() for x in pyramid(4)],
        teacher=[x.double() for x in pyramid(4)],
    )
    weights = PositionGate(4, side, softmax_dim=dim)(**features)
    for level, weight in enumerate(weights):
        expected = 1
        for name, levels in features.items():
            if side in (name, 'both'):
                # the next level is the context; the last one is its own
                pair = [*levels[level : level + 2], None][:2]
                expected = expected * position_weights_of(*pair, dim)
        expected = expected / expected.mean(1, keepdim=True)
        torch.testing.assert_close(weight, expected)


@pytest.mark.parametrize('scale', [0.1, 1.0, 5.0])
@pytest.mark.parametrize('hidden_channels', [None, 8])
@pytest.mark.parametrize('dim', [-1, -2])
@pytest.mark.parametrize('side', ['both', 'student', 'teacher'])
def test_weights_are_positive_with_mean_one(side, dim, hidden_channels, scale):
    gate = PositionGate(6, side, hidden_channels, dim)
    for parameter in gate.parameters():
        # far from where it starts, as if trained to no good end
        torch.nn.init.normal_(parameter)
    student, teacher = ([scale * x for x in pyramid()] for _ in range(2))
    for weight in gate(student, teacher):
        assert weight.shape == (2, 6)
        assert weight.min() >= 0
        torch.testing.assert_close(weight.mean(1), torch.ones(2))
        assert weight.std() > 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('hidden_channels', [None, 8])
def test_mean_stays_one_under_autocast(hidden_channels, dtype):
    gate = PositionGate(6, 'both', hidden_channels)
    with torch.autocast('cpu', dtype):
        for weight in gate(pyramid(), pyramid()):
            assert weight.dtype == torch.float32
            torch.testing.assert_close(weight.mean(1), torch.ones(2))


def test_the_loss_is_the_weighted_distance():
    student, teacher = pyramid(), pyramid()
    loss = FreeKDLoss(6, 3, num_prompts=0, position_gate=dict(side='both'))
    expected = sum(
        frequency_distance(s, t, weights=w)
        for s, t, w in zip(student, teacher, PositionGate(6)(student, teacher))
    )
    torch.testing.assert_close(loss(student, teacher), expected)


def test_no_gradient_reaches_the_student_through_the_weights():
    student = [x.requires_grad_() for x in pyramid()]
    weights = PositionGate(6, hidden_channels=4)(student, pyramid())
    sum(w.square().sum() for w in weights).backward()
    assert all(x.grad is None for x in student)


def test_a_trained_gate_cannot_bring_the_loss_to_zero():
    """What drove others' losses to zero: a gate that multiplies them."""
    student, teacher = torch.randn(2, 2, 6, 8, 8)
    loss = FreeKDLoss(6, num_prompts=0, position_gate=dict(hidden_channels=8))
    assert {n for n, _ in loss.named_parameters()} == {
        f'gate.mlp.{i}.{kind}' for i in (0, 2) for kind in ('weight', 'bias')
    }
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    start = loss(student, teacher).item()
    for _ in range(300):
        optimizer.zero_grad()
        value = loss(student, teacher)
        value.backward()
        optimizer.step()
    assert value.item() > 0.3 * start
    (weights,) = loss.gate([student], [teacher])
    torch.testing.assert_close(weights.mean(1), torch.ones(2))


def test_levels_of_other_channels_are_their_own_context():
    student = (torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4))
    weights = PositionGate([4, 8], 'student')(student, student)
    torch.testing.assert_close(weights[0], position_weights(student[0]))


def test_wrong_arguments_are_named():
    with pytest.raises(UsageError, match="got 'left'"):
        PositionGate(6, 'left')
    with pytest.raises(ValueError, match='softmax_dim must be -1 or -2'):
        PositionGate(6, softmax_dim=1)(pyramid(), pyramid())
    with pytest.raises(UsageError, match='same channels'):
        PositionGate([4, 8], hidden_channels=4)


@pytest.mark.parametrize('scale', [1, 30, 1e4])
def test_sides_that_agree_on_no_channel_leave_finite_weights(scale):
    # the softmax of large features is one-hot, of each side elsewhere
    student = torch.full((1, 4, 4, 4), float(scale))
    teacher = student.clone()
    student[:, 0] *= 2
    teacher[:, 2] *= 2
    (weights,) = PositionGate(4)([student], [teacher])
    assert weights.isfinite().all()
    torch.testing.assert_close(weights.mean(1), torch.ones(1))
