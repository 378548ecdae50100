"""The exact facts that the fast way rests on, one test for each."""

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from mmfreekd.frequency import (
    FrequencyBands,
    apply_masks,
    frequency_distance,
    frequency_masks,
    num_bands,
    wavedec2,
    waverec2,
)

LAYOUTS = ['subband', 'level']
SIZES = [(16, 8), (9, 6), (2, 3), (1, 1)]


def make(size=(9, 6), band_layout='subband', num_prompts=3, channels=4):
    """Student, teacher, prompts and their masks, in float64."""
    s, t = torch.randn(2, 2, channels, *size, dtype=torch.float64)
    bands = num_bands(3, band_layout)
    prompts = torch.randn(bands, num_prompts, channels, dtype=torch.float64)
    return s, t, prompts, frequency_masks(t, prompts, 3, band_layout)


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor):
                # an expanded view takes no memory
                stored = tensor.untyped_storage().nbytes()
                self.elements = max(
                    self.elements, stored // tensor.element_size()
                )
        return out


@pytest.mark.parametrize('band_layout', LAYOUTS)
@pytest.mark.parametrize('size', SIZES)
def test_1_a_mask_can_be_taken_out_of_the_difference(size, band_layout):
    # |M a - M b| = M |a - b| for a positive M
    s, t, _, masks = make(size, band_layout)
    masked_s, masked_t = (
        apply_masks(wavedec2(x), masks, band_layout) for x in (s, t)
    )
    both_sides = (masked_t.low - masked_s.low).abs().sum() + sum(
        (a - b).abs().sum()
        for a, b in zip(masked_t.high, masked_s.high, strict=True)
    )
    assert_close(
        frequency_distance(
            s,
            t,
            masks,
            band_layout=band_layout,
            reduction='sum',
            prompt_reduction='sum',
        ),
        both_sides,
    )


@pytest.mark.parametrize('wavelet', ['haar', 'sym4'])
@pytest.mark.parametrize('size', SIZES)
def test_2_the_difference_can_be_transformed_instead_of_both(size, wavelet):
    s, t, *_ = make(size)
    s_bands, t_bands = (wavedec2(x, 3, wavelet) for x in (s, t))
    together = wavedec2(t - s, 3, wavelet)
    assert_close(together.low, t_bands.low - s_bands.low)
    for d, a, b in zip(together.high, t_bands.high, s_bands.high, strict=True):
        assert_close(d, a - b)


@pytest.mark.parametrize('band_layout', LAYOUTS)
@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_3_projecting_first_is_the_same_as_transforming_first(
    wavelet, band_layout
):
    x, _, prompts, _ = make((9, 14), band_layout)
    masks = frequency_masks(x, prompts, 3, band_layout, wavelet)
    low, high = wavedec2(x, 3, wavelet)
    if band_layout == 'level':
        bands = [low] + [details.sum(2) for details in high]
    else:
        bands = [low] + [d[:, :, i] for d in high for i in range(3)]
    for mask, band, prompt in zip(masks, bands, prompts, strict=True):
        logits = torch.einsum('tc,nchw->nthw', prompt, band)
        assert_close(mask, torch.sigmoid(logits))


def test_3_no_transform_is_as_wide_as_the_teacher():
    x, prompts = torch.randn(1, 256, 32, 32), torch.randn(10, 2, 256)
    with LargestTensor() as largest:
        frequency_masks(x, prompts)
    # at most the projection onto 10 x 2 prompts
    assert largest.elements <= 20 * 32 * 32


@pytest.mark.parametrize('band_layout', LAYOUTS)
@pytest.mark.parametrize('penalty', ['l1', 'mse', 'log_mse'])
def test_4_masks_can_be_averaged_first(penalty, band_layout):
    s, t, _, masks = make(band_layout=band_layout)

    def distance(masks):
        return frequency_distance(
            s,
            t,
            masks,
            band_layout=band_layout,
            low_penalty=penalty,
            high_penalty=penalty,
        )

    each = [distance([mask[:, i : i + 1] for mask in masks]) for i in range(3)]
    assert_close(distance(masks), torch.stack(each).mean())


def test_4_no_tensor_holds_every_prompt_and_every_channel():
    s, t = torch.randn(2, 1, 16, 32, 32)
    masks = frequency_masks(t, torch.randn(10, 8, 16))
    s.requires_grad_()
    with LargestTensor() as largest:
        frequency_distance(s, t, masks, torch.rand(1, 16)).backward()
    # the feature itself, not eight of it
    assert largest.elements == s.numel()


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('band_layout', LAYOUTS)
@pytest.mark.parametrize('size', SIZES)
def test_5_the_gradient_is_one_inverse_transform(size, band_layout, reduction):
    s, t, _, masks = make(size, band_layout)
    weights = torch.rand(2, 4, dtype=torch.float64)
    value = frequency_distance(
        s.requires_grad_(),
        t,
        masks,
        weights,
        band_layout=band_layout,
        reduction=reduction,
    )
    (grad,) = torch.autograd.grad(value, s)

    def pull(band, mask):
        """weight * mask * sign(band), over its elements if they are averaged.

        The band is (N, C, h, w), or (N, C, 3, h, w) with a level's one mask.
        """
        share = 1 / band.numel() if reduction == 'mean' else 1
        mask = mask.mean(1)[:, None]
        return (
            torch.einsum('nc...,nc->nc...', band.sign(), weights)
            * (mask if band.dim() == 4 else mask[:, :, None])
            * share
        )

    bands = wavedec2(t - s.detach())
    low, high = pull(bands.low, masks[0]), []
    for level, details in enumerate(bands.high):
        if band_layout == 'level':
            high.append(pull(details, masks[1 + level]))
        else:
            of_level = masks[1 + 3 * level : 4 + 3 * level]
            parts = map(pull, details.unbind(2), of_level)
            high.append(torch.stack([*parts], dim=2))
    # the distance falls where the student goes towards the teacher
    assert_close(grad, -waverec2(FrequencyBands(low, tuple(high)), size))
