import pytest
import torch
from references import official_loss
from torch import nn
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.frequency import (
    frequency_distance,
    frequency_masks,
    mask_overlap,
)
from mmfreekd.models import (
    FreeKDLoss,
    FrequencyPrompt,
    PromptDissimilarityLoss,
)
from mmfreekd.prompt_files import save_prompts

SIZES = [(12, 19), (6, 10), (3, 5), (2, 3), (1, 1)]


def features(channels=4, sizes=SIZES[:3], **kwargs):
    """A pyramid of the student's and one of the teacher's."""
    return tuple(
        tuple(torch.randn(2, channels, *size, **kwargs) for size in sizes)
        for _ in range(2)
    )


@pytest.fixture
def tuned_loss(tmp_path):
    """Builds a loss with random prompts, as stage 1 might have left them."""

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
            **(loss_kwargs or {}),
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


def test_official_switches_give_the_official_loss(tuned_loss):
    loss, prompts = tuned_loss(
        num_levels=5,
        num_prompts=6,
        band_layout='level',
        loss_kwargs=dict(low_band=False),
    )
    s_levels, t_levels = features(sizes=SIZES)
    for s in s_levels:
        s.requires_grad_()
    value = loss(s_levels, t_levels)
    expected = official_loss(s_levels, t_levels, prompts)
    assert_close(value, expected, rtol=1e-5, atol=0)
    assert_close(
        torch.autograd.grad(value, s_levels),
        torch.autograd.grad(expected, s_levels),
        rtol=1e-5,
        atol=1e-7,
    )


def test_without_prompts_it_is_the_plain_distance():
    loss = FreeKDLoss(4, 3, num_prompts=0)
    s_levels, t_levels = features()
    expected = sum(map(frequency_distance, s_levels, t_levels))
    assert_close(loss(s_levels, t_levels), expected)
    assert not loss.untuned


def test_a_tensor_is_a_pyramid_of_one_level(tuned_loss):
    loss, _ = tuned_loss(num_levels=1)
    (s,), (t,) = features(sizes=SIZES[:1])
    assert_close(loss(s, t), loss((s,), (t,)))


def test_levels_may_differ_in_channels():
    loss = FreeKDLoss([3, 5], num_prompts=1)
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


@pytest.mark.parametrize('kind', ['jaccard', 'dice'])
def test_dissimilarity_is_the_mean_overlap_of_the_levels(kind):
    masks = [[torch.rand(2, 3, h, w) for h, w in SIZES] for _ in range(2)]
    masks.append([torch.rand(2, 3, 4, 4)])
    loss = PromptDissimilarityLoss(kind, loss_weight=0.3)
    expected = sum(mask_overlap(level, kind) for level in masks) / 3
    assert_close(loss(masks), 0.3 * expected)


def test_dissimilarity_refuses_an_unknown_kind():
    with pytest.raises(UsageError, match="'jaccard', 'dice'.*got 'iou'"):
        PromptDissimilarityLoss('iou')
