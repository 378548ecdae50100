import pytest
import torch
from references import (
    freekd_of,
    masks_of,
    normalized_of,
    overlap_of,
    refined_of,
)
from torch import nn
from torch.testing import assert_close

from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.errors import UsageError
from mmfreekd.frequency import (
    frequency_distance,
    frequency_masks,
    mask_overlap,
    normalize_channels,
)
from mmfreekd.models import (
    FreeKDLoss,
    FrequencyPrompt,
    PromptDissimilarityLoss,
)
from mmfreekd.registry import MODELS

SIZES = [(12, 19), (6, 10), (3, 5), (2, 3), (1, 1)]


def features(channels=4, sizes=SIZES[:3], **kwargs):
    """A pyramid of the student's and one of the teacher's."""
    return tuple(
        tuple(torch.randn(2, channels, *size, **kwargs) for size in sizes)
        for _ in range(2)
    )


@pytest.fixture
def tuned_loss(tmp_path):
    """Builds a loss with random prompts, as stage 1 might have left them.

    Channels weigh alike unless loss_kwargs have a position_gate.
    """

    def build(
        channels=4, num_levels=3, num_prompts=2, loss_kwargs=None, **layout
    ):
        prompts = nn.ModuleList(
            FrequencyPrompt(channels, num_prompts, **layout)
            for _ in range(num_levels)
        )
        for prompt in prompts:
            nn.init.normal_(prompt.prompts)
        path = str(tmp_path / 'prompts.pth')
        save_prompts(prompts, path)
        loss = FreeKDLoss(
            channels,
            num_levels,
            num_prompts,
            prompt_ckpt=path,
            **layout,
            **{'position_gate': None, **(loss_kwargs or {})},
        )
        return loss, [p.prompts.detach() for p in prompts]

    return build


@pytest.mark.parametrize('low_band', [True, False])
@pytest.mark.parametrize('band_layout', ['subband', 'level'])
@pytest.mark.parametrize('num_prompts, levels', [(1, 1), (2, 3), (6, 2)])
def test_equals_the_functions(
    tuned_loss, num_prompts, levels, band_layout, low_band
):
    layout = dict(levels=levels, band_layout=band_layout)
    loss, prompts = tuned_loss(
        num_prompts=num_prompts,
        **layout,
        loss_kwargs=dict(low_band=low_band, loss_weight=0.3),
    )
    s_levels, t_levels = features()
    expected = sum(
        frequency_distance(
            s, t, frequency_masks(t, p, **layout), low_band=low_band, **layout
        )
        for s, t, p in zip(s_levels, t_levels, prompts, strict=True)
    )
    assert_close(loss(s_levels, t_levels), 0.3 * expected)


def test_takes_another_wavelet(tuned_loss):
    loss, (prompt,) = tuned_loss(num_levels=1, wavelet='db2')
    (s,), (t,) = features(sizes=SIZES[:1])
    masks = frequency_masks(t, prompt, wavelet='db2')
    assert_close(loss(s, t), frequency_distance(s, t, masks, wavelet='db2'))


def test_without_prompts_it_is_the_plain_distance():
    loss = FreeKDLoss(4, 3, num_prompts=0, position_gate=None)
    s_levels, t_levels = features()
    expected = sum(map(frequency_distance, s_levels, t_levels))
    assert_close(loss(s_levels, t_levels), expected)
    assert not loss.untuned


def test_a_tensor_is_a_pyramid_of_one_level(tuned_loss):
    loss, _ = tuned_loss(num_levels=1)
    (s,), (t,) = features(sizes=SIZES[:1])
    assert_close(loss(s, t), loss((s,), (t,)))


def test_levels_may_differ_in_channels():
    loss = FreeKDLoss([3, 5], num_prompts=1, position_gate=None)
    (a,), (b,) = features(3, SIZES[:1])
    (c,), (d,) = features(5, SIZES[1:2])
    assert_close(
        loss((a, c), (b, d)),
        sum(
            frequency_distance(s, t, frequency_masks(t, prompts))
            for s, t, prompts in (
                (a, b, loss.prompts_0),
                (c, d, loss.prompts_1),
            )
        ),
    )


def test_prompts_are_no_parameters_and_in_no_checkpoint(tuned_loss):
    loss, _ = tuned_loss()
    assert not list(loss.parameters())
    assert not loss.state_dict()
    assert loss.prompts_2.shape == (10, 2, 4)
    assert not loss.prompts_2.requires_grad


def test_prompts_follow_the_module_to_another_dtype(tuned_loss):
    loss, _ = tuned_loss()
    assert loss.double().prompts_0.dtype == torch.float64


def test_only_the_student_gets_a_gradient(tuned_loss):
    loss, _ = tuned_loss()
    s_levels, t_levels = features(requires_grad=True)
    loss(s_levels, t_levels).backward()
    for s, t in zip(s_levels, t_levels, strict=True):
        assert t.grad is None
        assert s.grad.abs().min() > 0
    # nothing that could lead back to the teacher hangs on the value
    value = loss([s.detach() for s in s_levels], t_levels)
    assert not value.requires_grad


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_features_give_a_float32_loss(tuned_loss, dtype):
    loss, _ = tuned_loss()
    s_levels, t_levels = ([x.to(dtype) for x in f] for f in features())
    value = loss(s_levels, t_levels)
    assert value.dtype == torch.float32
    assert_close(
        value,
        loss([s.float() for s in s_levels], [t.float() for t in t_levels]),
    )


# PositionGate, normalisation and refined masks under half precision
EVERYTHING = dict(
    position_gate=dict(side='both'),
    normalize=True,
    refine_masks=True,
    low_penalty='mse',
    high_penalty='log_mse',
)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_costs_no_more_than_the_rounding_of_the_features(
    tuned_loss, dtype
):
    s_levels, t_levels = features()
    half_s, half_t = ([x.to(dtype) for x in f] for f in (s_levels, t_levels))
    for loss_kwargs in (dict(), EVERYTHING):
        loss, _ = tuned_loss(loss_kwargs=loss_kwargs)
        value = loss(half_s, half_t)
        assert value.dtype == torch.float32
        assert_close(
            value,
            loss(s_levels, t_levels),
            rtol=4 * torch.finfo(dtype).eps,
            atol=0,
        )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_autocast_does_not_lower_the_precision(tuned_loss, dtype):
    loss, _ = tuned_loss(loss_kwargs=EVERYTHING)
    s_levels, t_levels = features()
    expected = loss(s_levels, t_levels)
    with torch.autocast('cpu', dtype):
        assert_close(loss(s_levels, t_levels), expected, rtol=0, atol=0)


def test_untuned_prompts_say_so(tuned_loss):
    assert FreeKDLoss(4).untuned
    assert not tuned_loss()[0].untuned


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(loss_weight=-1.0), 'loss_weight must not be negative, got -1.0'),
        (dict(channels=0), r'must be one positive number.*got \[0, 0, 0\]'),
        (dict(channels=[4, 4]), r'num_levels=3 pyramid levels, got \[4, 4\]'),
        (dict(num_prompts=-1), 'num_prompts.*-1'),
        (dict(levels=0), 'levels must be a positive integer, got 0'),
        (dict(band_layout='bands'), "'subband', 'level'.*got 'bands'"),
        (dict(num_prompts=0, levels=0), 'levels must be a positive.*got 0'),
        (dict(num_prompts=0, band_layout='bands'), "got 'bands'"),
    ],
)
def test_refuses_wrong_arguments_when_it_is_built(wrong, message):
    with pytest.raises(UsageError, match=message):
        FreeKDLoss(**{'channels': 4, 'num_levels': 3, **wrong})


@pytest.mark.parametrize(
    's_shape, t_shape, message',
    [
        (
            (2, 5, 8, 8),
            (2, 4, 8, 8),
            r'the student is \(2, 5, 8, 8\), that of the teacher '
            r'\(2, 4, 8, 8\).*'
            r'FeatureAlignConnector.*out_channels=4\)',
        ),
        ((2, 4, 4, 4), (2, 4, 8, 8), 'out_channels=4, scale_factor=...'),
        (
            (2, 5, 8, 8),
            (2, 5, 8, 8),
            "teacher's feature has 5 channels, FreeKDLoss expects 4.*"
            'teacher_recorders',
        ),
    ],
)
def test_refuses_features_that_do_not_fit(s_shape, t_shape, message):
    with pytest.raises(UsageError, match=f'pyramid level 0.*{message}'):
        FreeKDLoss(4)(torch.zeros(s_shape), torch.zeros(t_shape))


def test_refuses_another_number_of_levels():
    s_levels, t_levels = features()
    with pytest.raises(
        UsageError,
        match=r'expects 2 pyramid level\(s\), got '
        '3: set num_levels=3',
    ):
        FreeKDLoss(4, 2)(s_levels, t_levels)


@pytest.mark.parametrize('diagonal', [None, True, False])
@pytest.mark.parametrize('kind', ['jaccard', 'dice'])
def test_dissimilarity_is_the_mean_overlap_of_the_levels(kind, diagonal):
    masks = [[torch.rand(2, 3, h, w) for h, w in SIZES] for _ in range(2)]
    masks.append([torch.rand(2, 3, 4, 4)])
    loss = PromptDissimilarityLoss(kind, 0.3, diagonal)
    expected = sum(mask_overlap(level, kind, diagonal) for level in masks) / 3
    assert_close(loss(masks), 0.3 * expected)
    # the paper counts a mask with itself, the official code does not
    counted = kind == 'jaccard' if diagonal is None else diagonal
    by_loops = sum(overlap_of(level, kind, counted) for level in masks) / 3
    assert_close(loss(masks), 0.3 * by_loops)


def test_dissimilarity_refuses_an_unknown_kind():
    with pytest.raises(UsageError, match="'jaccard', 'dice'.*got 'iou'"):
        PromptDissimilarityLoss('iou')


def value_and_gradients(loss, s_levels, t_levels):
    s_levels = [s.detach().requires_grad_() for s in s_levels]
    value = loss(s_levels, t_levels)
    return value, torch.autograd.grad(value, s_levels)


@pytest.mark.parametrize(
    'switches',
    [
        dict(high_weight=0.0),
        dict(high_weight=0.3),
        dict(low_band=False),
        dict(prompt_reduction='sum'),
        dict(low_penalty='mse'),
        dict(high_penalty='mse'),
        dict(low_penalty='log_mse', high_penalty='mse'),
        dict(normalize=True),
        dict(refine_masks=True),
        dict(normalize=True, refine_masks=True, prompt_reduction='sum'),
    ],
    ids=lambda switches: '-'.join(map(str, switches.values())),
)
@pytest.mark.parametrize('band_layout', ['subband', 'level'])
def test_value_and_gradient_of_a_switch_equal_a_naive_loop(
    tuned_loss, band_layout, switches
):
    loss, prompts = tuned_loss(loss_kwargs=switches, band_layout=band_layout)
    pyramids = features(dtype=torch.float64)
    prompts = [p.double() for p in prompts]
    assert_close(
        value_and_gradients(loss.double(), *pyramids),
        value_and_gradients(
            lambda s, t: freekd_of(
                s, t, prompts, band_layout=band_layout, **switches
            ),
            *pyramids,
        ),
    )


@pytest.mark.parametrize('band_layout', ['subband', 'level'])
@pytest.mark.parametrize('num_prompts', [1, 3])
def test_refined_masks_are_the_teachers_times_the_students(
    tuned_loss, num_prompts, band_layout
):
    loss, (prompt,) = tuned_loss(
        num_levels=1,
        num_prompts=num_prompts,
        loss_kwargs=dict(refine_masks=True),
        band_layout=band_layout,
    )
    (s,), (t,) = features(sizes=SIZES[1:2])
    of_teacher, of_student = (
        masks_of(x, prompt, 3, band_layout) for x in (t, s)
    )
    assert_close(loss.masks(s, t, 0), refined_of(of_teacher, of_student))
    # a student that is its teacher
    assert_close(loss.masks(t, t, 0), [mask**2 for mask in of_teacher])


def test_masks_that_are_not_refined_are_the_teachers(tuned_loss):
    loss, prompts = tuned_loss(loss_kwargs=dict(refine_masks=False))
    s_levels, t_levels = features()
    for i in range(3):
        assert_close(
            loss.masks(s_levels[i], t_levels[i], i),
            masks_of(t_levels[i], prompts[i], 3, 'subband'),
        )


@pytest.mark.parametrize('refine_masks', [True, False])
def test_no_gradient_flows_through_masks(tuned_loss, refine_masks):
    loss, _ = tuned_loss(
        num_levels=1, loss_kwargs=dict(refine_masks=refine_masks)
    )
    (s,), (t,) = features(sizes=SIZES[:1], requires_grad=True)
    masks = loss.masks(s, t, 0)
    assert not any(mask.requires_grad for mask in masks)
    # the gradient is that of the same masks as constants
    _, gradient = value_and_gradients(loss, [s], [t])
    _, expected = value_and_gradients(
        lambda s, t: frequency_distance(s[0], t[0].detach(), masks), [s], [t]
    )
    assert_close(gradient, expected)


def test_normalised_features_are_compared_under_masks_of_the_raw_ones(
    tuned_loss,
):
    loss, (prompt,) = tuned_loss(
        num_levels=1, loss_kwargs=dict(normalize=True)
    )
    (s,), (t,) = features(sizes=SIZES[:1])
    t = 3 * t + 1
    expected = frequency_distance(
        normalized_of(s), normalized_of(t), frequency_masks(t, prompt)
    )
    assert_close(loss(s, t), expected)


def test_normalised_features_ask_neither_for_scale_nor_for_shift():
    loss = FreeKDLoss(
        4, 3, num_prompts=0, position_gate=None, normalize=True
    ).double()
    s_levels, t_levels = features(dtype=torch.float64)
    moved = [100 * s - 7 for s in s_levels]
    assert_close(
        loss(moved, t_levels), loss(s_levels, t_levels), rtol=1e-5, atol=0
    )
    loss.normalize = False
    assert loss(moved, t_levels) > 10 * loss(s_levels, t_levels)


@pytest.mark.parametrize('levels', [1, 2, 3])
@pytest.mark.parametrize('size', [(8, 8), (16, 8), (13, 6)])
def test_without_prompts_normalised_squares_are_pkd(size, levels):
    """MMRazor's PKDLoss is the spatial squared error of normalised features.

    It halves the mean, and its deviation is that of a sample: over n - 1 of
    the n elements of a channel.
    """
    s, t = torch.randn(2, 2, 4, *size, dtype=torch.float64)
    pkd = MODELS.build(dict(type='mmrazor.PKDLoss'))
    n = s[:, 0].numel()
    squares = frequency_distance(
        normalize_channels(s),
        normalize_channels(t),
        levels=levels,
        reduction='sum',
        low_penalty='mse',
        high_penalty='mse',
    )
    assert_close(
        squares / s.numel() * (n - 1) / n / 2, pkd(s, t), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize('size', [(1, 1), (2, 3)])
@pytest.mark.parametrize('num_prompts', [0, 1])
@pytest.mark.parametrize('loss_kwargs', [dict(), EVERYTHING])
def test_the_smallest_of_everything(loss_kwargs, num_prompts, size):
    # one image, one channel, one prompt; three wavelet levels
    loss = FreeKDLoss(
        1, num_prompts=num_prompts, **{'position_gate': None, **loss_kwargs}
    )
    s, t = torch.randn(2, 1, 1, *size)
    value, (gradient,) = value_and_gradients(
        lambda s, t: loss(s[0], t[0]), [s], [t]
    )
    assert value.isfinite() and gradient.isfinite().all()
    # a single number that is normalised is 0, whatever it was
    if loss_kwargs and size == (1, 1):
        assert_close(value, torch.tensor(0.0))
    else:
        assert value > 0 and gradient.abs().max() > 0


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(preset='FreeKD'), "'paper', 'official', 'plus'.*got 'FreeKD'"),
        (dict(preset=None), "'paper', 'official', 'plus'.*got None"),
        (dict(preset=['paper']), r"got \['paper'\]"),
        (dict(position_gate='both'), "position_gate must be .*got 'both'"),
        (
            dict(position_gate=dict(softmax_dim=1)),
            'softmax_dim must be -1 or -2, got 1',
        ),
        (dict(low_penalty='l2'), "low_penalty.*got 'l2'"),
        (dict(high_penalty='l2'), "high_penalty.*got 'l2'"),
        (dict(prompt_reduction='min'), "prompt_reduction.*got 'min'"),
        (dict(low_band=False, high_weight=0.0), 'no band counts'),
        (
            dict(preset='official', high_weight=0.0),
            'low_band is False and high_weight is 0',
        ),
        (dict(position_gate=dict(side='left')), "got 'left'"),
    ],
)
def test_refuses_a_choice_that_it_does_not_know(wrong, message):
    with pytest.raises(UsageError, match=message):
        FreeKDLoss(**{'channels': 4, 'num_prompts': 0, **wrong})


@pytest.mark.parametrize('num_prompts', [1, 2, 6])
def test_prompts_leave_the_random_state_as_it_is(num_prompts):
    state = torch.get_rng_state()
    FreeKDLoss(4, num_prompts=num_prompts)
    assert torch.equal(torch.get_rng_state(), state)
