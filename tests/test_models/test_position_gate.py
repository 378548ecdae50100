"""The position gate in the loss: weighs, but does not replace learning."""

import pytest
import torch

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
    with pytest.raises(UsageError, match='same channels'):
        PositionGate([4, 8], hidden_channels=4)
