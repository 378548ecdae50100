"""The distance, by each form that computes it, against naive loops."""

import itertools
import random
import sys

import pytest
import torch
from references import distance_of, normalized_of, official_loss
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from mmfreekd.frequency import (
    band_names,
    distance_per_band,
    forms,
    frequency_distance,
    frequency_masks,
    normalize_channels,
    num_bands,
    triton_form,
    wavedec2,
)
from mmfreekd.presets import PRESETS

LAYOUTS = ['subband', 'level']
REDUCTIONS = ['mean', 'sum']
PENALTIES = ['l1', 'mse', 'log_mse']
SIZES = [(16, 24), (13, 19), (7, 10), (3, 2), (1, 1)]
SMALL = SIZES[2:4]
LOW_HIGH = [(True, 1.0), (True, 0.0), (True, 0.3), (False, 2.5)]
HALF = [torch.float16, torch.bfloat16]


@pytest.fixture(params=['reference', 'blocks', 'triton'])
def form(request, monkeypatch):
    """Each test by autograd, by PyTorch's operators, and by the kernels."""
    chosen = request.param
    monkeypatch.setenv(triton_form.SWITCH, '1' if chosen == 'triton' else '0')
    if chosen == 'reference':
        monkeypatch.setattr(forms, '_suits', lambda *args: False)
    if chosen == 'triton':
        pytest.importorskip('triton')
        monkeypatch.setattr(triton_form, 'DEVICES', ('cpu', 'cuda'))
        monkeypatch.setattr(triton_form, '_works', lambda *args: True)
    return chosen


def make(size=(9, 6), num_prompts=2, levels=3, band_layout='subband', c=3):
    """Student, teacher, prompts and weights."""
    s, t = torch.randn(2, 2, c, *size)
    bands = num_bands(levels, band_layout)
    prompts = torch.randn(bands, num_prompts, c) if num_prompts else None
    return s.requires_grad_(), t, prompts, torch.rand(2, c)


def compare(s, t, prompts, weights, levels=3, normalize=False, **switches):
    """Value and gradients of float32, and loops in float64."""
    inputs = [s] if weights is None else [s, weights]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    masks, t64 = None, t.double()
    if prompts is not None:
        layout = levels, switches.get('band_layout', 'subband')
        masks = frequency_masks(t64, prompts.double(), *layout)
    sides = exact[0], t64
    if normalize:
        sides = [normalized_of(x) for x in sides]
    expected = distance_of(
        *sides, masks, *[*exact[1:], None][:1], levels, **switches
    )
    for x in inputs:
        x.requires_grad_()
    as_list = None if masks is None else [mask.float() for mask in masks]
    for given in (dict(prompts=prompts), dict(masks=as_list)):
        value = frequency_distance(
            s,
            t,
            weights=weights,
            levels=levels,
            normalize=normalize,
            **given,
            **switches,
        )
        gradients = torch.autograd.grad(value, inputs)
        reference = torch.autograd.grad(expected, exact, retain_graph=True)
        for a, b in zip(
            (value, *gradients), (expected, *reference), strict=True
        ):
            largest = b.abs().max().item()
            assert_close(a.double(), b, rtol=1e-5, atol=1e-5 * largest)
        if prompts is None:
            break


def choices(number, levels=(1, 2, 3, 4), sizes=SIZES):
    """A sample of every switch with every other."""
    names = 'levels size num_prompts weighted normalize band_layout reduction '
    names += 'prompt_reduction low_penalty high_penalty low_high'
    every = itertools.product(
        levels,
        sizes,
        (0, 1, 3),
        (True, False),
        (True, False),
        LAYOUTS,
        REDUCTIONS,
        ('mean', 'sum', 'max'),
        PENALTIES,
        PENALTIES,
        LOW_HIGH,
    )
    for chosen in random.Random(0).sample([*every], number):
        yield dict(zip(names.split(), chosen, strict=True))


def test_every_choice_equals_a_naive_loop(form):
    cases = choices(150)
    if form == 'triton':  # an interpreter
        cases = choices(12, [3], SMALL)
    for case in cases:
        low, high = case.pop('low_high')
        size, num = case.pop('size'), case.pop('num_prompts')
        s, t, prompts, weights = make(
            size, num, case['levels'], case['band_layout']
        )
        if not case.pop('weighted'):
            weights = None
        # of two pixels a normalised channel is rounding
        case['normalize'] &= size != (1, 1)
        compare(s, t, prompts, weights, low_band=low, high_weight=high, **case)


@pytest.mark.parametrize('name', PRESETS)
def test_a_preset_equals_a_naive_loop(form, name):
    preset = PRESETS[name]
    switches = {k: v for k, v in preset.distance.items() if k != 'wavelet'}
    for size in SMALL if form == 'triton' else SIZES[:4]:
        s, t, prompts, weights = make(
            size, preset.num_prompts, band_layout=preset.band_layout, c=5
        )
        if preset.position_gate is None:
            weights = None
        compare(s, t, prompts, weights, normalize=preset.normalize, **switches)


def test_the_official_loss_at_the_sizes_of_a_pyramid(form):
    channels = 2 if form == 'triton' else 24
    for size in [(13, 19), (7, 10)]:
        s, t, prompts, _ = make(size, 6, band_layout='level', c=channels)
        value = frequency_distance(
            s, t, prompts=prompts, band_layout='level', low_band=False
        )
        exact = s.detach().double().requires_grad_()
        expected = official_loss([exact], [t.double()], [prompts.double()])
        found, reference = (
            (v, *torch.autograd.grad(v, x))
            for v, x in ((value, s), (expected, exact))
        )
        for a, b in zip(found, reference, strict=True):
            largest = b.abs().max().item()
            assert_close(a.double(), b, rtol=1e-5, atol=1e-5 * largest)


@pytest.mark.parametrize('penalty', PENALTIES)
@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_gradients_to_everything(wavelet, penalty):
    s, t, prompts, weights = (x.double() for x in make((5, 3), c=2))
    masks = frequency_masks(t, prompts, wavelet=wavelet)
    inputs = [x.detach().requires_grad_() for x in (s, t, weights, *masks)]
    torch.autograd.gradcheck(
        lambda s, t, w, *m: frequency_distance(
            s, t, m, w, wavelet=wavelet, high_penalty=penalty
        ),
        inputs,
    )


@pytest.mark.parametrize('normalize', [True, False])
def test_can_be_differentiated_twice(normalize):
    s, t, prompts, weights = (x.double() for x in make((5, 3), c=2))
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        check(
            lambda s, w: frequency_distance(
                s,
                t,
                weights=w,
                prompts=prompts,
                low_penalty='mse',
                high_penalty='mse',
                normalize=normalize,
                loss_weight=0.3,
            ),
            (s.detach().requires_grad_(), weights.requires_grad_()),
        )


def test_backward_twice_and_a_loss_weight(form):
    s, t, _, weights = make()
    weights.requires_grad_()
    value = frequency_distance(s, t, None, weights)
    weighed = frequency_distance(s, t, None, weights, loss_weight=0.3)
    assert_close(weighed, 0.3 * value)
    inputs = s, weights
    first = torch.autograd.grad(0.3 * value, inputs, retain_graph=True)
    assert_close(torch.autograd.grad(0.3 * value, inputs), first)
    assert_close(torch.autograd.grad(weighed, inputs), first)


@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_the_bands_add_up_and_have_their_names(band_layout):
    s, t, prompts, weights = make(band_layout=band_layout)
    masks = frequency_masks(t, prompts, band_layout=band_layout)
    task = s, t, masks, weights
    bands = distance_per_band(*task, band_layout=band_layout)
    assert [*bands] == band_names(3, band_layout)
    every, high, low = (
        frequency_distance(*task, band_layout=band_layout, **choice)
        for choice in ({}, dict(low_band=False), dict(high_weight=0))
    )
    assert_close(every, high + low)
    assert_close(sum(bands.values()), every)
    by_hand = wavedec2(t - s).low.abs() * weights[..., None, None]
    assert_close(low, (by_hand * masks[0].mean(1, keepdim=True)).mean())
    assert_close(bands['low'], low)
    choice = dict(high_weight=0.5, low_band=False, band_layout=band_layout)
    alone = distance_per_band(*task, **choice)
    assert_close(alone, {k: 0.5 * bands[k] for k in [*bands][1:]})


@pytest.mark.parametrize(
    'penalty, value',
    # log(1 + |2|) ^ 2 = 1.2069
    [('l1', 2.0), ('mse', 4.0), ('log_mse', 1.2069489608396)],
)
@pytest.mark.parametrize('difference', [2.0, -2.0])
def test_what_a_difference_costs(penalty, value, difference):
    t = torch.zeros(1, 1, 2, 2)
    columns = torch.tensor([1.0, -1.0]).expand_as(t)
    # a low band of the difference, and a vertical detail of it
    for s, low in ((t + difference / 2, True), (columns, False)):
        for name in ('low_penalty', 'high_penalty'):
            cost = frequency_distance(s, t, levels=1, **{name: penalty})
            chosen = low == (name == 'low_penalty')
            assert_close(cost, torch.tensor(value if chosen else 2.0))


def test_refined_masks_are_those_of_both_features(form):
    s, t, prompts, _ = make()
    masks, of_student = (frequency_masks(x.detach(), prompts) for x in (t, s))
    refined = [a * b for a, b in zip(masks, of_student, strict=True)]
    for reduction in ('mean', 'max'):
        values = (
            frequency_distance(s, t, prompt_reduction=reduction, **given)
            for given in (
                dict(masks=refined),
                dict(prompts=prompts, refine_masks=True),
            )
        )
        assert_close(*values)


def test_one_mask_may_serve_all_images(form):
    s, t, prompts, _ = make()
    masks = [mask[:1] for mask in frequency_masks(t, prompts)]
    every = [mask.expand(2, -1, -1, -1) for mask in masks]
    assert_close(*(frequency_distance(s, t, m) for m in (masks, every)))


@pytest.mark.parametrize('penalty', PENALTIES)
def test_special_values(form, penalty):
    penalties = dict(low_penalty=penalty, high_penalty=penalty)
    s, t, *_ = make()
    for magnitude in (1e-6, 1e3, 1e9):
        far = (magnitude * s).detach()
        compare(far, torch.zeros_like(t), None, None, **penalties)
    same = frequency_distance(s, s.detach().clone(), **penalties)
    assert same == 0 and not torch.autograd.grad(same, s)[0].any()
    t[1, 2, 3, 4] = float('nan')
    assert frequency_distance(s, t, **penalties).isnan()


@pytest.mark.parametrize('value', [0.1, -3.7, 1e4])
def test_a_constant_has_no_details_and_no_gradient_through_them(form, value):
    # such as what fills up the images of a batch
    s, t, prompts, _ = make((16, 16))
    t = s.detach() - value
    t[..., :8, :8] += torch.randn(8, 8)
    s = (s - s.detach()).detach().requires_grad_()
    t = t - t.detach() + torch.where(t == t, -value, 0.0)
    distance = frequency_distance(s, t, prompts=prompts, low_band=False)
    assert distance == 0 and not torch.autograd.grad(distance, s)[0].any()


def test_a_band_that_does_not_count_may_overflow(form):
    s = torch.zeros(1, 2, 8, 8, requires_grad=True)
    t = torch.full((1, 2, 8, 8), 1e20)
    distance = frequency_distance(s, t, low_band=False, low_penalty='mse')
    assert distance == 0
    assert torch.autograd.grad(distance, s)[0].isfinite().all()


@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('penalty', PENALTIES)
def test_half_precision_is_computed_in_float32(form, penalty, dtype):
    s, t, prompts, weights = make((16, 16))
    s, t = s.detach().to(dtype).requires_grad_(), t.to(dtype)
    exact = s.detach().float().requires_grad_()
    choice = dict(low_penalty=penalty, high_penalty=penalty, normalize=True)
    value, expected = (
        frequency_distance(a, b, None, weights, prompts=prompts, **choice)
        for a, b in ((s, t), (exact, t.float()))
    )
    assert value.dtype == torch.float32
    assert_close(value, expected)
    # without the scale of a GradScaler they are below the least float16
    (gradient,) = torch.autograd.grad(2.0**16 * value / 1e3, s)
    (reference,) = torch.autograd.grad(2.0**16 * expected / 1e3, exact)
    tiny = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    eps = torch.finfo(dtype).eps
    assert gradient.dtype == dtype
    assert_close(gradient.float(), reference, rtol=eps, atol=2 * tiny)


def test_half_precision_does_not_overflow(form):
    far = torch.full((1, 1, 64, 64), 3e4, dtype=torch.float16)
    assert_close(frequency_distance(far, -far), torch.tensor(8 * 6e4))


def test_autocast_around_forward_and_backward_changes_nothing(form, device):
    s, t, prompts, weights = make()
    results = []
    for enabled in (False, True):
        with torch.autocast(device, torch.bfloat16, enabled=enabled):
            value = frequency_distance(
                s, t, None, weights, prompts=prompts, normalize=True
            )
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
def test_memory_layout_does_not_matter(form, change):
    s, t, prompts, weights = make((13, 10))
    results = []
    for of in (lambda x: x, change):
        a, b = of(s.detach()).requires_grad_(), of(t)
        value = frequency_distance(
            a, b, None, weights, prompts=prompts, normalize=True
        )
        results.append((value, *torch.autograd.grad(value, a)))
    assert_close(*results)


@pytest.mark.parametrize('normalize', [True, False])
def test_an_empty_batch_costs_nothing(form, normalize):
    s, t, prompts, weights = make()
    s, t, weights = s[:0], t[:0], weights[:0]
    masks = frequency_masks(t, prompts)
    for given in (dict(masks=masks), dict(prompts=prompts)):
        value = frequency_distance(
            s, t, weights=weights, normalize=normalize, **given
        )
        assert value == 0
        assert torch.autograd.grad(value, s)[0].shape == s.shape


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            stored = out.untyped_storage().nbytes() // out.element_size()
            self.elements = max(self.elements, stored)
        return out


def test_no_tensor_holds_every_prompt_and_every_channel():
    s, t, prompts, weights = make((32, 32), 8, c=128)
    with LargestTensor() as largest:
        frequency_distance(s, t, None, weights, prompts=prompts).backward()
    assert largest.elements == s.numel() + t.numel()


@pytest.mark.skipif(
    sys.version_info >= (3, 12) and torch.__version__ < '2.4',
    reason='torch compiles on Python 3.12 since 2.4',
)
def test_is_compiled_as_it_is():
    s, t, prompts, weights = make((13, 19))

    def loss(s, t):
        return frequency_distance(
            s, t, None, weights, prompts=prompts, normalize=True
        )

    value = torch.compile(loss, backend='aot_eager', fullgraph=True)(s, t)
    expected = loss(s, t)
    assert_close(value, expected)
    assert_close(
        *(torch.autograd.grad(v, s)[0] for v in (value, expected)),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize('size', [(8, 8), (13, 6), (1, 1)])
def test_normalised_channels_equal_a_naive_loop(size):
    x = torch.randn(3, 4, *size, dtype=torch.float64, requires_grad=True)
    out, expected = normalize_channels(x), normalized_of(x)
    assert_close(out, expected)
    pull = torch.randn_like(out)
    assert_close(*(torch.autograd.grad(y, x, pull) for y in (out, expected)))


@pytest.mark.parametrize('value', [0.0, 3.0, -1e4])
def test_a_channel_that_is_the_same_everywhere_is_all_zero(form, value):
    x = torch.randn(2, 3, 4, 5)
    x[:, 1] = value
    assert_close(normalize_channels(x)[:, 1], torch.zeros(2, 4, 5))
    x.requires_grad_()
    t = torch.randn(2, 3, 4, 5)
    frequency_distance(x, t, normalize=True).backward()
    assert x.grad.isfinite().all()


def test_squares_add_up_to_the_spatial_squared_error(form):
    # an orthonormal transform keeps squares (Parseval)
    s, t, *_ = make((13, 6))
    penalties = dict(low_penalty='mse', high_penalty='mse')
    value = frequency_distance(s, t, reduction='sum', **penalties)
    expected = torch.nn.functional.mse_loss(s, t, reduction='sum')
    assert_close(value, expected)
    assert_close(*(torch.autograd.grad(v, s) for v in (value, expected)))


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(reduction='none'), "'mean', 'sum'.*got 'none'"),
        (dict(prompt_reduction='min'), "prompt_reduction.*got 'min'"),
        (dict(low_penalty='l2'), "low_penalty.*'log_mse'.*got 'l2'"),
        (dict(high_penalty='l2'), "high_penalty.*'log_mse'.*got 'l2'"),
        (dict(low_band=False, high_weight=0.0), 'high_weight is 0'),
        (dict(high_weight=-1.0), 'high_weight must be.*0 or more.*got -1.0'),
        (dict(high_weight=float('nan')), 'high_weight.*finite, got nan'),
        (dict(high_weight='0.3'), "high_weight must be a number.*got '0.3'"),
        (dict(weights=torch.ones(3, 2)), r'weights must be \(N, C\) = \(2, 3'),
        (dict(refine_masks=True), 'refine_masks needs prompts, got none'),
        (dict(prompts=torch.ones(4, 2, 3)), 'B = 10 bands.*got'),
        (dict(masks=[torch.ones(2, 2, 1, 1)] * 4), 'expected 10 masks.*got 4'),
    ],
)
def test_refuses_what_it_does_not_know(wrong, message):
    s, t, *_ = make()
    with pytest.raises(ValueError, match=message):
        frequency_distance(s, t, **wrong)


def test_refuses_features_of_different_shape_and_both_kinds_of_masks():
    s, t, prompts, _ = make()
    with pytest.raises(
        ValueError, match=r'\(2, 3, 9, 6\).*\(2, 3, 9, 5\).*FeatureAlign'
    ):
        frequency_distance(s, t[..., :5])
    with pytest.raises(ValueError, match='masks or prompts, got both'):
        masks = frequency_masks(t, prompts)
        frequency_distance(s, t, masks, prompts=prompts)
