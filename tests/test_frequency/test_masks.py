import pytest
import torch
from references import masks_of, overlap_of
from torch.testing import assert_close

from mmfreekd.frequency import (
    FrequencyBands,
    apply_masks,
    band_names,
    frequency_masks,
    mask_overlap,
    num_bands,
    wavedec2,
)

LAYOUTS = ['subband', 'level']
SIZES = [(8, 8), (13, 6), (2, 3), (1, 1)]


def make(
    size=(8, 8),
    num_prompts=2,
    levels=3,
    band_layout='subband',
    channels=4,
    batch=2,
):
    """A feature and prompts, in float64."""
    bands = num_bands(levels, band_layout)
    return (
        torch.randn(batch, channels, *size, dtype=torch.float64),
        torch.randn(bands, num_prompts, channels, dtype=torch.float64),
    )


@pytest.mark.parametrize('num_prompts', [1, 2, 6])
@pytest.mark.parametrize('levels', [1, 2, 3])
@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_masks_and_gradients_equal_a_naive_loop(
    band_layout, levels, num_prompts
):
    for size in SIZES:
        inputs = make(size, num_prompts, levels, band_layout)
        for value in inputs:
            value.requires_grad_()
        masks = frequency_masks(*inputs, levels, band_layout)
        expected = masks_of(*inputs, levels, band_layout)
        assert_close(masks, expected)
        # any one number that every pixel of every mask has its part in
        pulls = [torch.randn_like(mask) for mask in masks]
        assert_close(
            torch.autograd.grad(masks, inputs, pulls),
            torch.autograd.grad(expected, inputs, pulls),
        )


@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_one_channel_one_image_one_prompt(band_layout):
    x, prompts = make((5, 3), 1, 3, band_layout, channels=1, batch=1)
    assert_close(
        frequency_masks(x, prompts, 3, band_layout),
        masks_of(x, prompts, 3, band_layout),
    )


@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_a_prompt_of_zeros_lets_half_through(band_layout):
    x, prompts = make((6, 6), 2, 2, band_layout)
    for mask in frequency_masks(x, prompts * 0, 2, band_layout):
        assert_close(mask, torch.full_like(mask, 0.5))


def test_each_prompt_rules_its_own_band_only():
    x, prompts = make((16, 16), num_prompts=2)
    before = frequency_masks(x, prompts)
    for b, name in enumerate(band_names(3)):
        changed = prompts.clone()
        changed[b, 1] += 1
        after = frequency_masks(x, changed)
        for i in range(10):
            same = (before[i] == after[i]).flatten(2).all(2).all(0).tolist()
            assert same == [True, i != b], f'{name} changed band {i}'


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32_masks(dtype):
    x, prompts = (v.to(dtype) for v in make())
    masks = frequency_masks(x, prompts)
    assert_close(masks, frequency_masks(x.float(), prompts.float()))


def test_autocast_does_not_lower_the_precision():
    x, prompts = (v.float() for v in make())
    expected = frequency_masks(x, prompts)
    with torch.autocast('cpu', torch.bfloat16):
        assert_close(frequency_masks(x, prompts), expected, rtol=0, atol=0)


@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_gradients_reach_prompts_and_feature(band_layout):
    x, prompts = make((3, 4), 2, 2, band_layout, channels=2, batch=1)
    torch.autograd.gradcheck(
        lambda x, p: tuple(frequency_masks(x, p, 2, band_layout)),
        (x.requires_grad_(), prompts.requires_grad_()),
    )


@pytest.mark.parametrize('shape', [(9, 2, 4), (4, 2, 4), (10, 2, 5), (10, 4)])
def test_refuses_prompts_of_another_shape(shape):
    x, _ = make()
    with pytest.raises(
        ValueError,
        match=r'B = 10 bands.*C = 4 channels.*'
        rf'got \({shape[0]}, ',
    ):
        frequency_masks(x, torch.zeros(shape))


@pytest.mark.parametrize('num_prompts', [1, 2, 6])
@pytest.mark.parametrize('band_layout', LAYOUTS)
def test_apply_masks_weighs_every_band_with_its_own_mask(
    band_layout, num_prompts
):
    x, prompts = make((10, 7), num_prompts, 2, band_layout)
    masks = frequency_masks(x, prompts, 2, band_layout)
    bands = wavedec2(x, 2)
    out = apply_masks(bands, masks, band_layout)
    assert_close(
        out.low, sum(m.unsqueeze(1) * bands.low for m in masks[0].unbind(1))
    )
    for level in range(2):
        for i in range(3):
            b = 1 + (level if band_layout == 'level' else 3 * level + i)
            expected = sum(
                m.unsqueeze(1) * bands.high[level][:, :, i]
                for m in masks[b].unbind(1)
            )
            assert_close(out.high[level][:, :, i], expected)


def test_masks_that_add_to_one_change_nothing():
    bands = wavedec2(torch.randn(2, 3, 9, 5), 3)
    masks = [
        torch.full((2, 4, *b.shape[-2:]), 0.25)
        for b in (bands.low, *bands.high)
    ]
    assert_close(apply_masks(bands, masks, 'level'), bands)


@pytest.mark.parametrize('band_layout, other', [LAYOUTS, LAYOUTS[::-1]])
def test_refuses_masks_of_the_other_layout(band_layout, other):
    x, prompts = make(band_layout=band_layout)
    masks = frequency_masks(x, prompts, 3, band_layout)
    expected = num_bands(3, other)
    with pytest.raises(
        ValueError,
        match=f'expected {expected} masks .low, level1.*got {len(masks)}',
    ):
        apply_masks(wavedec2(x), masks, other)


def test_refuses_masks_of_another_size_and_names_the_band():
    x, prompts = make()
    masks = frequency_masks(x, prompts)
    masks[5] = masks[5][..., :1]
    with pytest.raises(
        ValueError,
        match='band level2_vertical must be '
        r'\(N, T, 2, 2\), got \(2, 2, 2, 1\)',
    ):
        apply_masks(wavedec2(x), masks)


def random_masks(num_prompts, batch=2):
    return [
        torch.rand(batch, num_prompts, *size, dtype=torch.float64)
        for size in ((3, 4), (5, 2), (1, 1))
    ]


KINDS = ['jaccard', 'dice']


@pytest.mark.parametrize('num_prompts', [1, 2, 3, 6])
@pytest.mark.parametrize('diagonal', [None, True, False])
@pytest.mark.parametrize('kind', KINDS)
def test_overlap_and_gradient_equal_a_naive_loop(kind, diagonal, num_prompts):
    counted = kind == 'jaccard' if diagonal is None else diagonal
    masks = [mask.requires_grad_() for mask in random_masks(num_prompts)]
    overlap = mask_overlap(masks, kind, diagonal)
    expected = overlap_of(masks, kind, counted)
    assert_close(overlap, expected)
    assert_close(
        torch.autograd.grad(overlap, masks),
        torch.autograd.grad(expected, masks),
    )


@pytest.mark.parametrize('num_prompts', [2, 3, 6])
@pytest.mark.parametrize('kind', KINDS)
def test_the_diagonal_adds_as_many_ones_as_there_are_prompts(
    kind, num_prompts
):
    masks = random_masks(num_prompts)
    with_it, without = (mask_overlap(masks, kind, d) for d in (True, False))
    share = 1 / num_prompts
    assert_close(with_it, share + (1 - share) * without)
    assert with_it > without


@pytest.mark.parametrize('diagonal', [True, False])
@pytest.mark.parametrize('kind', KINDS)
def test_overlap_of_equal_masks_is_one_whatever_their_size(kind, diagonal):
    masks = [mask[:, :1].expand(-1, 3, -1, -1) for mask in random_masks(1)]
    one = torch.ones((), dtype=torch.float64)
    assert_close(mask_overlap(masks, kind, diagonal), one)


@pytest.mark.parametrize(
    'kind, diagonal, value',
    [
        # two of four pairs are of a mask with itself
        ('jaccard', None, 0.5),
        ('jaccard', True, 0.5),
        ('jaccard', False, 0.0),
        ('dice', None, 0.0),
        ('dice', True, 0.5),
        ('dice', False, 0.0),
    ],
)
def test_overlap_of_disjoint_masks(kind, diagonal, value):
    mask = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    assert_close(mask_overlap([mask], kind, diagonal), torch.tensor(value))


@pytest.mark.parametrize('diagonal, value', [(True, 1.0), (False, 0.0)])
@pytest.mark.parametrize('kind', KINDS)
def test_overlap_of_a_single_prompt_has_no_gradient_to_follow(
    kind, diagonal, value
):
    masks = [mask.requires_grad_() for mask in random_masks(1)]
    overlap = mask_overlap(masks, kind, diagonal)
    assert_close(overlap, torch.tensor(value, dtype=torch.float64))
    for grad in torch.autograd.grad(overlap, masks):
        assert_close(grad, torch.zeros_like(grad))


@pytest.mark.parametrize('kind', KINDS)
def test_overlap_gradient(kind):
    masks = [mask.requires_grad_() for mask in random_masks(2, batch=1)]
    torch.autograd.gradcheck(lambda *m: mask_overlap(m, kind), masks)


@pytest.mark.parametrize('kind', KINDS)
def test_overlap_keeps_its_precision_under_autocast(kind):
    masks = [mask.float() for mask in random_masks(3)]
    expected = mask_overlap(masks, kind)
    with torch.autocast('cpu', torch.bfloat16):
        assert_close(mask_overlap(masks, kind), expected, rtol=0, atol=0)


@pytest.mark.parametrize('kind', KINDS)
def test_overlap_of_closed_masks_is_a_number(kind):
    # one pixel that prompts have shut; its square is 0 in float32
    logits = torch.full((1, 2, 1, 1), -60.0, requires_grad=True)
    overlap = mask_overlap([torch.sigmoid(logits)], kind)
    assert 0 <= overlap <= 1
    overlap.backward()
    assert logits.grad.isfinite().all()


def test_overlap_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="'jaccard', 'dice'.*got 'iou'"):
        mask_overlap(random_masks(2), 'iou')
    with pytest.raises(ValueError, match='one tensor per band, got none'):
        mask_overlap([])


def test_apply_masks_returns_named_bands():
    x, prompts = make()
    out = apply_masks(wavedec2(x), frequency_masks(x, prompts))
    assert isinstance(out, FrequencyBands)
