import pytest
import torch
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.frequency import (
    apply_masks,
    frequency_masks,
    num_bands,
    wavedec2,
    waverec2,
)
from mmfreekd.models import FrequencyPrompt
from mmfreekd.registry import MODELS

SIZES = [(8, 8), (13, 6), (2, 3), (1, 1)]


@pytest.mark.parametrize('band_layout', ['subband', 'level'])
@pytest.mark.parametrize('levels, num_prompts', [(1, 1), (3, 2), (2, 6)])
def test_prompts_are_small_normal_numbers(levels, num_prompts, band_layout):
    prompt = FrequencyPrompt(512, num_prompts, levels, band_layout)
    assert prompt.prompts.shape == (
        num_bands(levels, band_layout),
        num_prompts,
        512,
    )
    assert [name for name, _ in prompt.named_parameters()] == ['prompts']
    assert_close(prompt.prompts.std().item(), 0.01, rtol=0.1, atol=0)
    assert_close(prompt.prompts.mean().item(), 0.0, rtol=0, atol=2e-3)


@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
@pytest.mark.parametrize('band_layout', ['subband', 'level'])
def test_equals_the_functions(band_layout, wavelet):
    prompt = MODELS.build(
        dict(
            type='mmfreekd.FrequencyPrompt',
            channels=4,
            num_prompts=3,
            band_layout=band_layout,
            wavelet=wavelet,
        )
    )
    torch.nn.init.normal_(prompt.prompts)
    for size in SIZES:
        x = torch.randn(2, 4, *size)
        masks = frequency_masks(x, prompt.prompts, 3, band_layout, wavelet)
        assert_close(prompt.masks(x), masks)
        bands = apply_masks(wavedec2(x, 3, wavelet), masks, band_layout)
        assert_close(prompt(x), waverec2(bands, size, wavelet))


@pytest.mark.parametrize('num_prompts, factor', [(1, 0.5), (2, 1.0), (6, 3.0)])
def test_starts_near_a_multiple_of_the_feature(num_prompts, factor):
    prompt = FrequencyPrompt(16, num_prompts)
    x = torch.randn(2, 16, 9, 12)
    off = (prompt(x) - factor * x).norm() / x.norm()
    assert 0 < off < 0.03 * factor
    torch.nn.init.zeros_(prompt.prompts)
    assert_close(prompt(x), factor * x, rtol=1e-5, atol=1e-5)


def test_takes_masks_that_are_made_already():
    prompt = FrequencyPrompt(4)
    x = torch.randn(1, 4, 8, 8)
    assert_close(prompt(x, prompt.masks(x)), prompt(x), rtol=0, atol=0)
    closed = [mask * 0 for mask in prompt.masks(x)]
    assert_close(prompt(x, closed), torch.zeros_like(x))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_keeps_the_dtype_and_computes_in_float32(dtype):
    prompt = FrequencyPrompt(4)
    x = torch.randn(1, 4, 8, 8).to(dtype)
    expected = prompt(x.float()).to(dtype)
    with torch.autocast('cpu', torch.bfloat16):
        assert_close(prompt(x), expected, rtol=0, atol=0)


def test_gradients_reach_every_prompt():
    prompt = FrequencyPrompt(4, 2).double()
    x = torch.randn(2, 4, 16, 16, dtype=torch.float64)
    prompt(x).square().sum().backward()
    assert prompt.prompts.grad.abs().flatten(1).sum(1).min() > 0


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(channels=0), 'channels must be a positive integer, got 0'),
        (dict(channels='4'), "channels must be a positive integer, got '4'"),
        (dict(num_prompts=0), 'num_prompts must be a positive integer, got 0'),
        (dict(num_prompts=1.5), 'num_prompts must be.*got 1.5'),
        (dict(levels=0), 'levels must be a positive integer, got 0'),
        (dict(band_layout='bands'), "'subband', 'level'.*got 'bands'"),
        (dict(wavelet='bior2.2'), "'bior2.2' is not orthogonal"),
    ],
)
def test_refuses_wrong_arguments_when_it_is_built(wrong, message):
    with pytest.raises(UsageError, match=message):
        FrequencyPrompt(**{'channels': 4, **wrong})
