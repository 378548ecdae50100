"""The core on a GPU: devices, dtypes, and no wait for the host."""

import contextlib
import itertools

import pytest
import torch
from fake_cuda import move

from mmfreekd.frequency import (
    apply_masks,
    channel_relation,
    distance_per_band,
    frequency_distance,
    frequency_masks,
    mask_overlap,
    normalize_channels,
    num_bands,
    position_weights,
    wavedec2,
    waverec2,
)
from mmfreekd.models import FreeKDLoss, FrequencyPrompt
from mmfreekd.models.connectors import FeatureAlignConnector
from mmfreekd.presets import PRESETS

pytestmark = pytest.mark.usefixtures('fake_cuda')
DTYPES = torch.float32, torch.float16, torch.bfloat16
FORMATS = torch.contiguous_format, torch.channels_last
AUTOCAST = None, torch.float16


def features(dtype=torch.float32, memory_format=torch.contiguous_format):
    s, t = torch.randn(2, 2, 8, 20, 13, device='cuda', dtype=dtype)
    s, t = (x.to(memory_format=memory_format) for x in (s, t))
    return s.requires_grad_(), t


def autocast(dtype):
    if dtype is None:
        return contextlib.nullcontext()
    return torch.autocast('cuda', dtype)


def check_gradient(*tensors):
    for x in tensors:
        assert x.grad.device == x.device and x.grad.dtype == x.dtype
        assert x.grad.stride() == x.stride()


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_wavelets(wavelet, dtype):
    s, _ = features(dtype)
    back = waverec2(wavedec2(s, 3, wavelet), (20, 13), wavelet)
    assert back.dtype == dtype and back.is_cuda
    back.sum().backward()
    check_gradient(s)


@pytest.mark.parametrize('layout', ['subband', 'level'])
@pytest.mark.parametrize('levels', [3, 4])
@pytest.mark.parametrize('dtype', DTYPES)
def test_masks_and_their_overlap(layout, levels, dtype):
    x = features(dtype)[1]
    bands = num_bands(levels, layout)
    prompts = torch.randn(bands, 2, 8, device='cuda', requires_grad=True)
    masks = frequency_masks(x, prompts, levels, layout)
    assert all(m.is_cuda and m.dtype == torch.float32 for m in masks)
    masked = apply_masks(wavedec2(x.float(), levels), masks, layout)
    loss = waverec2(masked, (20, 13)).sum()
    for kind, diagonal in itertools.product(
        ('jaccard', 'dice'), (None, True, False)
    ):
        loss = loss + mask_overlap(masks, kind, diagonal)
    loss.backward()
    check_gradient(prompts)


@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('memory_format', FORMATS)
@pytest.mark.parametrize('auto', AUTOCAST)
def test_distance_of_a_preset(preset, dtype, memory_format, auto):
    preset = PRESETS[preset]
    s, t = features(dtype, memory_format)
    bands = num_bands(3, preset.band_layout)
    prompts = torch.randn(bands, preset.num_prompts, 8, device='cuda')
    with autocast(auto):
        weights = position_weights(t) if preset.position_gate else None
        value = frequency_distance(
            s,
            t,
            weights=weights,
            prompts=prompts,
            refine_masks=preset.refine_masks,
            normalize=preset.normalize,
            **preset.distance,
        )
        assert value.dtype == torch.float32 and value.is_cuda
        (value * torch.full((), 2.0**16, device='cuda')).backward()
    check_gradient(s)


@pytest.mark.parametrize('penalty', ['l1', 'mse', 'log_mse'])
@pytest.mark.parametrize(
    'layout, reduction',
    [('subband', 'mean'), ('level', 'sum'), ('subband', 'max')],
)
@pytest.mark.parametrize('normalize', [False, True])
def test_switches_and_masks_as_a_list(penalty, layout, reduction, normalize):
    s, t = features()
    prompts = torch.randn(num_bands(3, layout), 2, 8, device='cuda')
    masks = frequency_masks(t, prompts, 3, layout)
    weights = torch.rand(2, 8, device='cuda', requires_grad=True)
    choices = dict(
        band_layout=layout,
        prompt_reduction=reduction,
        low_penalty=penalty,
        high_penalty=penalty,
        normalize=normalize,
    )
    value = frequency_distance(s, t, masks, weights, **choices)
    value.backward(retain_graph=True)
    value.backward()
    check_gradient(s, weights)
    for band in distance_per_band(s, t, masks, weights, **choices).values():
        assert band.is_cuda
    (gradient,) = torch.autograd.grad(
        frequency_distance(s, t, masks, **choices), s, create_graph=True
    )
    gradient.sum().backward()


@pytest.mark.parametrize('softmax_dim', [-1, -2])
@pytest.mark.parametrize('dtype', DTYPES)
def test_position_weights_and_normalisation(softmax_dim, dtype):
    s, t = features(dtype)
    channel_relation(s, t[..., :10, :7], softmax_dim)
    weights = position_weights(s, None, softmax_dim=softmax_dim)
    (normalize_channels(s).square().sum() + weights[0, 0]).backward()
    check_gradient(s)


def pyramid():
    return [
        torch.randn(2, 8, n, n + 3, device='cuda', requires_grad=True)
        for n in (16, 8)
    ]


@pytest.mark.parametrize('auto', AUTOCAST)
@pytest.mark.parametrize('gate', [None, dict(hidden_channels=4)])
@pytest.mark.parametrize('preset', PRESETS)
def test_the_loss_behind_a_connector(preset, gate, auto):
    students, teachers = pyramid(), pyramid()
    connectors = [move(FeatureAlignConnector(8, 8)) for _ in students]
    loss = move(FreeKDLoss([8, 8], preset=preset, position_gate=gate))
    with autocast(auto):
        aligned = [c(s) for c, s in zip(connectors, students, strict=True)]
        value = loss(tuple(aligned), tuple(teachers))
        assert value.dtype == torch.float32
    value.backward()
    check_gradient(*students, *loss.parameters())
    for connector in connectors:
        check_gradient(*connector.parameters())
    assert all(t.grad is None for t in teachers)


@pytest.mark.parametrize('auto', AUTOCAST)
def test_a_prompt_in_the_teacher(auto):
    x, _ = features()
    prompt = move(FrequencyPrompt(8))
    with autocast(auto):
        masks = prompt.masks(x)
        out = prompt(x, masks)
        (out.square().mean() + mask_overlap(masks, 'dice')).backward()
    check_gradient(x, prompt.prompts)
