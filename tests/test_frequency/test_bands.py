import pytest
import torch

from mmfreekd.frequency import FrequencyBands, band_names, num_bands, wavedec2


@pytest.mark.parametrize('levels', [1, 2, 3, 5])
def test_number_of_bands(levels):
    assert num_bands(levels) == 1 + 3 * levels
    assert num_bands(levels, 'level') == 1 + levels


@pytest.mark.parametrize('band_layout', ['subband', 'level'])
@pytest.mark.parametrize('levels', [1, 2, 3])
def test_every_band_has_one_name(levels, band_layout):
    names = band_names(levels, band_layout)
    assert len(set(names)) == len(names) == num_bands(levels, band_layout)


def test_names_are_in_the_documented_order():
    assert band_names(2) == [
        'low',
        'level1_horizontal',
        'level1_vertical',
        'level1_diagonal',
        'level2_horizontal',
        'level2_vertical',
        'level2_diagonal',
    ]
    assert band_names(3, 'level') == ['low', 'level1', 'level2', 'level3']


def test_bands_are_named():
    low, high = torch.zeros(1, 1, 1, 1), (torch.ones(1, 1, 3, 1, 1),)
    bands = FrequencyBands(low=low, high=high)
    assert bands.low is low and bands.high is high and bands.levels == 1


@pytest.mark.parametrize('levels', [0, -1, 2.0, '3', None])
def test_refuses_levels_that_are_no_positive_integer(levels):
    with pytest.raises(ValueError, match='levels must be a positive integer'):
        num_bands(levels)
    with pytest.raises(ValueError, match='levels must be a positive integer'):
        wavedec2(torch.zeros(1, 1, 4, 4), levels)


@pytest.mark.parametrize('function', [num_bands, band_names])
def test_refuses_an_unknown_layout(function):
    with pytest.raises(ValueError, match="'subband', 'level'.*got 'bands'"):
        function(3, 'bands')
