import sys

import pytest
import torch
from references import ORIENTATIONS, haar_bands, pywt_bands
from torch.testing import assert_close

from mmfreekd.frequency import FrequencyBands, wavedec2, waverec2

SIZES = [(8, 8), (16, 12), (5, 7), (13, 8), (2, 3), (1, 1), (1, 6)]
WAVELETS = ['haar', 'db2', 'sym4', 'coif1', 'db5']
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def by_name(bands):
    named = dict(low=bands.low)
    for level, details in enumerate(bands.high, start=1):
        for i, name in enumerate(ORIENTATIONS):
            named[f'level{level}_{name}'] = details[:, :, i]
    return named


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('levels', [1, 2, 3, 4])
@pytest.mark.parametrize('wavelet', WAVELETS)
def test_equals_pywavelets_band_by_band(wavelet, levels, dtype):
    tolerance = TOLERANCE[dtype]
    for size in SIZES:
        x = torch.randn(2, 3, *size, dtype=dtype)
        bands = by_name(wavedec2(x, levels, wavelet))
        expected = pywt_bands(x, levels, wavelet)
        assert bands.keys() == expected.keys()
        for name, band in bands.items():
            assert band.dtype == dtype
            assert_close(
                band.double(),
                expected[name],
                rtol=tolerance,
                atol=tolerance,
                msg=lambda m, n=name, s=size: f'{n} of a map of {s}: {m}',
            )


def test_the_references_agree():
    x = torch.randn(2, 3, 13, 9, dtype=torch.float64)
    assert_close(haar_bands(x, 3), pywt_bands(x, 3))


def test_orientations_are_those_of_the_edges():
    rows = torch.tensor([1.0, -1.0] * 4).view(1, 1, 8, 1).expand(1, 1, 8, 8)
    for x, orientation in (
        (rows, 'horizontal'),
        (rows.transpose(2, 3), 'vertical'),
        (rows * rows.transpose(2, 3), 'diagonal'),
    ):
        for name, band in by_name(wavedec2(x, 1)).items():
            value = 2.0 if name == f'level1_{orientation}' else 0.0
            assert_close(band, torch.full((1, 1, 4, 4), value))


def test_the_finest_level_comes_first():
    high = wavedec2(torch.randn(1, 1, 16, 24), 3).high
    assert [tuple(d.shape[-2:]) for d in high] == [(8, 12), (4, 6), (2, 3)]


@pytest.mark.parametrize('size', SIZES + [(100, 152)])
def test_haar_levels_are_half_as_large_rounded_up(size):
    height, width = size
    for details in wavedec2(torch.zeros(1, 2, *size), 4).high:
        height, width = (height + 1) // 2, (width + 1) // 2
        assert details.shape == (1, 2, 3, height, width)


@pytest.mark.parametrize('levels', [1, 2, 3, 4])
@pytest.mark.parametrize('wavelet', WAVELETS)
def test_inverts_itself(wavelet, levels):
    for size in SIZES:
        x = torch.randn(2, 3, *size, dtype=torch.float64)
        back = waverec2(wavedec2(x, levels, wavelet), size, wavelet)
        assert_close(back, x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('wavelet', WAVELETS)
def test_keeps_energy(wavelet):
    for size in SIZES:
        x = torch.randn(2, 3, *size, dtype=torch.float64)
        bands = by_name(wavedec2(x, 3, wavelet)).values()
        energy = sum(band.square().sum() for band in bands)
        assert_close(energy, x.square().sum(), rtol=1e-9, atol=0)


@pytest.mark.parametrize('wavelet', WAVELETS)
def test_the_inverse_is_the_adjoint(wavelet):
    # an orthonormal transform: <W x, y> = <x, W^T y>
    x = torch.randn(1, 2, 9, 6, dtype=torch.float64)
    bands = wavedec2(x, 2, wavelet)
    other = FrequencyBands(
        torch.randn_like(bands.low), tuple(map(torch.randn_like, bands.high))
    )
    product = (bands.low * other.low).sum() + sum(
        (a * b).sum() for a, b in zip(bands.high, other.high, strict=True)
    )
    assert_close(
        product,
        (x * waverec2(other, (9, 6), wavelet)).sum(),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize('wavelet', WAVELETS)
def test_is_linear(wavelet):
    x, y = torch.randn(2, 1, 3, 7, 10, dtype=torch.float64)
    mixed = by_name(wavedec2(2 * x - 3 * y, 3, wavelet))
    x, y = (by_name(wavedec2(z, 3, wavelet)) for z in (x, y))
    assert_close(mixed, {k: 2 * x[k] - 3 * y[k] for k in x})


@pytest.mark.parametrize('size', SIZES)
def test_our_haar_is_the_librarys(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert_close(by_name(wavedec2(x, 3)), by_name(wavedec2(x, 3, 'db1')))
    assert_close(
        waverec2(wavedec2(x, 3), size), waverec2(wavedec2(x, 3), size, 'db1')
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_within_its_rounding(dtype):
    x = torch.randn(2, 3, 15, 18).to(dtype)
    expected = pywt_bands(x, 3)
    # six additions on the way to a band, each off by half a unit at most
    unit = torch.finfo(dtype).eps
    for name, band in by_name(wavedec2(x, 3)).items():
        assert band.dtype == dtype
        assert_close(
            band.double(),
            expected[name],
            rtol=0,
            atol=3 * unit * expected[name].abs().max().item(),
        )
    back = waverec2(wavedec2(x, 3), (15, 18))
    assert back.dtype == dtype
    assert_close(back, x, rtol=0, atol=6 * unit * x.abs().max().item())


@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_memory_layout_does_not_matter(wavelet):
    x = torch.randn(2, 3, 9, 12)
    expected = by_name(wavedec2(x, 3, wavelet))
    strided = torch.empty(2, 3, 12, 9, 2).select(-1, 0).transpose(2, 3)
    channels_last = x.to(memory_format=torch.channels_last)
    for same in (strided.copy_(x), channels_last):
        bands = wavedec2(same, 3, wavelet)
        assert_close(by_name(bands), expected)
        assert_close(waverec2(bands, (9, 12), wavelet), x)
    assert not strided.is_contiguous() and not channels_last.is_contiguous()


@pytest.mark.parametrize('wavelet', ['haar', 'db2'])
def test_gradients(wavelet):
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)

    def flat(x):
        bands = wavedec2(x, 2, wavelet)
        return (bands.low, *bands.high)

    torch.autograd.gradcheck(flat, x)
    bands = [band.detach().requires_grad_() for band in flat(x)]
    torch.autograd.gradcheck(
        lambda low, *high: waverec2(
            FrequencyBands(low, high), (5, 6), wavelet
        ),
        bands,
    )


def test_input_is_left_alone():
    x = torch.randn(1, 2, 6, 6)
    before = x.clone()
    bands = wavedec2(x, 2)
    kept = {k: v.clone() for k, v in by_name(bands).items()}
    waverec2(bands, (6, 6))
    assert_close(x, before, rtol=0, atol=0)
    assert_close(by_name(bands), kept, rtol=0, atol=0)


@pytest.mark.parametrize(
    'x',
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.int64),
        torch.zeros(1, 3, 0, 8),
        torch.zeros(1, 3, 8, 0),
    ],
)
def test_refuses_what_is_no_feature_map(x):
    with pytest.raises(ValueError, match=r'floating tensor \(N, C, H, W\)'):
        wavedec2(x)


@pytest.mark.parametrize(
    'wavelet, message',
    [
        ('no_such', "'no_such' is not one that PyWavelets knows"),
        ('bior2.2', "'bior2.2' is not orthogonal"),
        ('mexh', "'mexh' is not one that PyWavelets knows"),
    ],
)
def test_refuses_a_wavelet(wavelet, message):
    with pytest.raises(ValueError, match=message):
        wavedec2(torch.zeros(1, 1, 8, 8), wavelet=wavelet)
    with pytest.raises(ValueError, match=message):
        waverec2(wavedec2(torch.zeros(1, 1, 8, 8)), (8, 8), wavelet)


def test_names_the_extra_that_other_wavelets_need(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pywt', None)
    wavedec2(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"pip install 'mmfreekd\[wavelets"):
        wavedec2(torch.zeros(1, 1, 8, 8), wavelet='db2')


@pytest.mark.parametrize('size', [(9, 8), (8, 20)])
def test_refuses_a_size_that_the_bands_do_not_hold(size):
    with pytest.raises(ValueError, match='less than size'):
        waverec2(wavedec2(torch.zeros(1, 1, 8, 8), 2), size)
