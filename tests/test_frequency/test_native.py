"""The compiled kernels come by themselves, or are done without."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from mmfreekd.frequency import (
    frequency_distance,
    native,
    position_weights,
    wavedec2,
)

needs_kernels = pytest.mark.skipif(
    'none' in native.kernels().state, reason=native.kernels().state
)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A cache folder that holds nothing, and nothing loaded."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    native._load.cache_clear()
    yield tmp_path / 'mmfreekd'
    native._load.cache_clear()


@needs_kernels
def test_compiled_once_for_all_processes(fresh):
    with ThreadPoolExecutor(2) as pool:
        compiling = [pool.submit(native._compiled) for _ in range(2)]
    paths = {each.result() for each in compiling}
    (path,) = paths
    assert [*fresh.iterdir()] == [path]
    written = path.stat().st_mtime_ns
    code = 'from mmfreekd.frequency import native; print(native.kernels()[1])'
    said = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])},
    )
    assert said.stdout.strip() == str(path)
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    'variable, value',
    [
        ('CXX', 'false'),
        ('CXX', 'no-such-compiler'),
        ('CXX', 'c++ "'),
        ('XDG_CACHE_HOME', '/dev/null'),
        (native.SWITCH, '0'),
    ],
)
def test_does_without_where_it_has_to(fresh, monkeypatch, variable, value):
    s, t = torch.randn(2, 1, 3, 9, 6)
    expected = frequency_distance(s.double(), t.double())
    monkeypatch.setenv(variable, value)
    library, state = native.kernels()
    assert library is None
    assert state.startswith(('none, ', 'switched off by MMFREEKD_NATIVE=0'))
    value = frequency_distance(s, t)
    torch.testing.assert_close(value, expected.float())
    assert not [*fresh.glob('*')] if fresh.parent.is_dir() else True


def test_says_what_the_compiler_said_last(fresh, monkeypatch, tmp_path):
    compiler = tmp_path / 'compiler'
    compiler.write_text('#!/bin/sh\necho first >&2; echo no disk >&2; exit 1')
    compiler.chmod(0o755)
    monkeypatch.setenv('CXX', str(compiler))
    state = native.kernels().state
    assert 'exit status 1' in state
    assert state.endswith(' no disk') and 'first' not in state


def test_another_command_cpu_or_source_is_another_library(
    tmp_path, monkeypatch
):
    paths = [native._path(['c++']), native._path(['c++', '-DSOMETHING'])]
    monkeypatch.setattr(native, '_cpu', lambda: 'flags: none')
    paths.append(native._path(['c++']))
    source = tmp_path / 'haar.cpp'
    source.write_text('// another')
    monkeypatch.setattr(native, 'SOURCE', source)
    paths.append(native._path(['c++']))
    assert len({*paths}) == 4


def test_slots_are_where_the_coefficients_stand():
    # one pixel of each block of 8 x 8 belongs to one coefficient
    height, width, levels = 13, 19, 3
    counts = torch.zeros(native.padded_size(height, width))
    sizes = [wavedec2(torch.ones(1, 1, height, width), levels)]
    expected = [sizes[0].low.shape[-2:]]
    for details in sizes[0].high:
        expected += 3 * [details.shape[-2:]]
    for slot, size in zip(
        native.slots(levels, height, width), expected, strict=True
    ):
        counts[slot] += 1
        assert counts[slot].shape == size
    assert counts.max() == 1
    assert counts[:height, :width].min() == 1


@needs_kernels
def test_leaves_alone_what_it_cannot_do():
    x = torch.randn(1, 1, 4, 4)
    assert native.usable(x, None, x.bfloat16())
    assert not native.usable(x, x.double())
    assert not native.usable(x, x.long())
    assert not native.usable(torch.empty(1, device='meta'))
    assert native.has_transform(3, 'haar')
    assert not native.has_transform(4, 'haar')
    assert not native.has_transform(3, 'db2')


@needs_kernels
@pytest.mark.parametrize('size', [(2, 2), (26, 38), (64, 6)])
def test_halves_as_pytorch_does(size):
    x = torch.randn(2, 3, *size)
    expected = torch.nn.functional.avg_pool2d(x, 2)
    torch.testing.assert_close(native.halve(x), expected)


@pytest.mark.parametrize('size', [(4, 6), (3, 7), (8, 12)])
def test_position_weights_are_those_of_float64(size):
    # to a context of half the size, of another, and to its own half
    x, context = torch.randn(2, 5, 8, 12), torch.randn(2, 5, *size)
    for inputs in ((x, context), (x,)):
        exact = position_weights(*(each.double() for each in inputs))
        weights = position_weights(*inputs).double()
        torch.testing.assert_close(weights, exact, rtol=1e-5, atol=0)
