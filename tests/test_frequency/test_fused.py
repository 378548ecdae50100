"""The fast ways against the literal one, value and gradient."""

import itertools
import random
import sys

import pytest
import torch
from references import distance_of, normalized_of, official_loss
from torch.testing import assert_close

from mmfreekd.frequency import (
    frequency_distance,
    frequency_masks,
    num_bands,
)
from mmfreekd.frequency.distance import PENALTIES, REDUCTIONS
from mmfreekd.presets import PRESETS

SIZES = [(16, 24), (13, 19), (7, 10), (3, 2)]
LOW_HIGH = [(True, 1.0), (True, 0.0), (True, 0.3), (False, 2.5)]


def make(size, channels=5, num_prompts=2, levels=3, band_layout='subband'):
    """Student, teacher, prompts and weights, in float32."""
    s, t = torch.randn(2, 2, channels, *size)
    bands = num_bands(levels, band_layout)
    prompts = torch.randn(bands, num_prompts, channels)
    return s.requires_grad_(), t, prompts, torch.rand(2, channels)


def close(actual, expected):
    """Equal to 1e-5 of the largest number."""
    for a, b in zip(actual, expected, strict=True):
        largest = b.abs().max().item()
        assert_close(a.double(), b, rtol=1e-5, atol=1e-5 * largest)


def compare(s, t, prompts, weights, levels=3, normalize=False, **switches):
    """With the naive loop in float64, of the features as they are."""
    masks = None
    layout = levels, switches.get('band_layout', 'subband')
    inputs = [x for x in (s, weights) if x is not None]
    for x in inputs:
        x.requires_grad_()
    exact_s, exact_t = s.detach().double().requires_grad_(), t.double()
    exact = [exact_s]
    if weights is not None:
        exact.append(weights.detach().double().requires_grad_())
    exact_masks = None
    if prompts is not None:
        masks = frequency_masks(t, prompts, *layout)
        exact_masks = frequency_masks(exact_t, prompts.double(), *layout)
        close(masks, exact_masks)
    sides = exact_s, exact_t
    if normalize:
        sides = [normalized_of(x) for x in sides]
    value = frequency_distance(
        s, t, masks, weights, levels, normalize=normalize, **switches
    )
    expected = distance_of(
        *sides,
        exact_masks,
        exact[-1] if weights is not None else None,
        levels,
        **switches,
    )
    close([value], [expected])
    close(
        torch.autograd.grad(value, inputs),
        torch.autograd.grad(expected, exact),
    )


@pytest.mark.parametrize('name', PRESETS)
def test_value_and_gradient_of_a_preset(name):
    preset = PRESETS[name]
    switches = {k: v for k, v in preset.distance.items() if k != 'wavelet'}
    for size in SIZES:
        s, t, prompts, weights = make(
            size,
            num_prompts=preset.num_prompts,
            band_layout=preset.band_layout,
        )
        if preset.position_gate is None:
            weights = None
        compare(s, t, prompts, weights, normalize=preset.normalize, **switches)


def test_value_and_gradient_of_any_choice():
    choices = itertools.product(
        LOW_HIGH,
        (1, 2, 3, 4),
        SIZES,
        (0, 1, 3),
        (True, False),
        (True, False),
        ('subband', 'level'),
        REDUCTIONS,
        (*REDUCTIONS, 'max'),
        PENALTIES,
        PENALTIES,
    )
    for (low, high), levels, size, num, weighed, *rest in random.Random(
        0
    ).sample([*choices], 120):
        names = 'normalize band_layout reduction prompt_reduction'.split()
        names += ['low_penalty', 'high_penalty']
        switches = dict(zip(names, rest, strict=True))
        s, t, prompts, weights = make(
            size, 3, num, levels, switches['band_layout']
        )
        compare(
            s,
            t,
            prompts if num else None,
            weights if weighed else None,
            levels,
            low_band=low,
            high_weight=high,
            **switches,
        )


def test_a_band_that_does_not_count_may_overflow():
    s = torch.zeros(1, 2, 8, 8, requires_grad=True)
    distance = frequency_distance(
        s, torch.full((1, 2, 8, 8), 1e20), low_band=False, low_penalty='mse'
    )
    assert distance == 0
    assert torch.autograd.grad(distance, s)[0].isfinite().all()


def test_the_official_loss_at_the_sizes_of_a_pyramid():
    for size in [(25, 38), (13, 19), (7, 10)]:
        s, t, prompts, _ = make(size, 24, 6, band_layout='level')
        value = frequency_distance(
            s,
            t,
            frequency_masks(t, prompts, 3, 'level'),
            band_layout='level',
            low_band=False,
        )
        exact = s.detach().double().requires_grad_()
        expected = official_loss([exact], [t.double()], [prompts.double()])
        close([value], [expected])
        close(
            torch.autograd.grad(value, s), torch.autograd.grad(expected, exact)
        )


@pytest.mark.parametrize('magnitude', [1e-6, 1.0, 1e3, 1e9])
@pytest.mark.parametrize('penalty', PENALTIES)
def test_differences_of_any_magnitude(penalty, magnitude):
    s, t, *_ = make((9, 6))
    s = (magnitude * s).detach()
    switches = dict(low_penalty=penalty, high_penalty=penalty)
    compare(s, torch.zeros_like(t), None, None, **switches)


def test_no_difference_has_no_gradient():
    s, *_ = make((9, 6))
    value = frequency_distance(s, s.detach().clone())
    (gradient,) = torch.autograd.grad(value, s)
    assert value == 0 and not gradient.any()


def test_what_is_no_number_is_seen():
    for penalty in PENALTIES:
        s, t, *_ = make((9, 6))
        t[1, 2, 3, 4] = float('nan')
        switches = dict(low_penalty=penalty, high_penalty=penalty)
        assert frequency_distance(s, t, **switches).isnan()


def test_the_loss_weight_multiplies_value_and_gradient():
    s, t, _, weights = make((9, 6))
    value = frequency_distance(s, t, None, weights)
    weighed = frequency_distance(s, t, None, weights, loss_weight=0.3)
    assert_close(weighed, 0.3 * value)
    gradients = [torch.autograd.grad(v, s) for v in (weighed, 0.3 * value)]
    assert_close(*gradients)


def test_a_second_backward_gives_the_same_gradient():
    s, t, _, weights = make((9, 6))
    weights.requires_grad_()
    value = frequency_distance(s, t, None, weights)
    first = torch.autograd.grad(2 * value, (s, weights), retain_graph=True)
    second = torch.autograd.grad(2 * value, (s, weights))
    assert_close(first, second)


@pytest.mark.parametrize('loss_weight', [1.0, 0.3])
def test_can_be_differentiated_twice(loss_weight):
    s, t, prompts, weights = make((5, 3), channels=2)
    inputs = s.detach().double().requires_grad_(), weights.double()
    masks = frequency_masks(t.double(), prompts.double())
    inputs[1].requires_grad_()
    torch.autograd.gradgradcheck(
        lambda s, w: frequency_distance(
            s,
            t.double(),
            masks,
            w,
            low_penalty='mse',
            high_penalty='mse',
            loss_weight=loss_weight,
        ),
        inputs,
    )
    # what a GradNorm or a gradient penalty does, in float32
    value = frequency_distance(s, t, low_penalty='mse', high_penalty='mse')
    (gradient,) = torch.autograd.grad(value, s, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), s)
    assert second.abs().max() > 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_gradients_in_half_precision_do_not_drown(dtype):
    # without the scale of a GradScaler they are below the least float16
    s, t, prompts, _ = make((64, 64), 4)
    s, t = s.detach().to(dtype).requires_grad_(), t.to(dtype)
    exact = s.detach().float().requires_grad_()
    gradients = []
    for x in (s, exact):
        value = frequency_distance(x, t, frequency_masks(t, prompts))
        gradients.append(torch.autograd.grad(2.0**16 * value / 1e3, x)[0])
    assert gradients[0].dtype == dtype
    assert_close(
        gradients[0].float(),
        gradients[1],
        rtol=torch.finfo(dtype).eps,
        atol=torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps,
    )


def test_autocast_around_forward_and_backward_changes_nothing():
    s, t, prompts, weights = make((13, 19))
    results = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            masks = frequency_masks(t, prompts)
            value = frequency_distance(s, t, masks, weights)
            results.append((value, *torch.autograd.grad(value, s)))
    assert_close(*results, rtol=0, atol=0)


@pytest.mark.parametrize(
    'change',
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.cat([x, x], dim=1)[:, : x.size(1)],
    ],
    ids=['channels_last', 'transposed', 'sliced'],
)
def test_memory_layout_does_not_matter(change):
    s, t, prompts, weights = make((13, 19))
    results = []
    for of in (lambda x: x, change):
        a, b = of(s.detach()).requires_grad_(), of(t)
        masks = frequency_masks(b, prompts)
        value = frequency_distance(a, b, masks, weights, normalize=True)
        results.append((value, *torch.autograd.grad(value, a)))
    assert_close(*results)


@pytest.mark.parametrize('normalize', [True, False])
def test_an_empty_batch_costs_nothing(normalize):
    s, t, prompts, weights = (x[:0] for x in make((9, 6)))
    masks = frequency_masks(t, torch.randn(10, 2, 5))
    value = frequency_distance(s, t, masks, weights, normalize=normalize)
    assert value == 0
    assert torch.autograd.grad(value, s)[0].shape == s.shape


def test_one_mask_may_serve_all_images():
    s, t, prompts, _ = make((9, 6))
    masks = [mask[:1] for mask in frequency_masks(t, prompts)]
    every = [mask.expand(2, -1, -1, -1) for mask in masks]
    values = [frequency_distance(s, t, m) for m in (masks, every)]
    assert_close(*values)


@pytest.mark.parametrize('normalize', [True, False])
def test_gradcheck_of_student_and_weights(normalize):
    s, t, prompts, weights = (x.double() for x in make((5, 3), channels=2))
    masks = frequency_masks(t, prompts)
    torch.autograd.gradcheck(
        lambda s, w: frequency_distance(
            s, t, masks, w, high_penalty='mse', normalize=normalize
        ),
        (s.detach().requires_grad_(), weights.requires_grad_()),
    )


def test_the_number_of_threads_changes_nothing():
    s, t, prompts, weights = make((25, 38), 16)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            masks = frequency_masks(t, prompts)
            value = frequency_distance(s, t, masks, weights, normalize=True)
            results.append((value, *torch.autograd.grad(value, s)))
    finally:
        torch.set_num_threads(before)
    assert_close(*results, rtol=0, atol=0)


@pytest.mark.skipif(
    sys.version_info >= (3, 12) and torch.__version__ < '2.4',
    reason='torch compiles on Python 3.12 since 2.4',
)
def test_is_compiled_as_it_is():
    s, t, prompts, weights = make((13, 19))

    def loss(s, t):
        masks = frequency_masks(t, prompts)
        return frequency_distance(s, t, masks, weights, normalize=True)

    value = torch.compile(loss, backend='aot_eager', fullgraph=True)(s, t)
    expected = loss(s, t)
    assert_close(value, expected)
    assert_close(
        *(torch.autograd.grad(v, s)[0] for v in (value, expected)),
        rtol=1e-4,
        atol=1e-6,
    )
