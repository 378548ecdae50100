"""The kernels: compiled for GPUs that are not here, checked, switched off.

That they compute what they should is in test_distance.py.
"""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from mmfreekd.frequency import frequency_distance, triton_form
from mmfreekd.frequency.reference import Switches

pytest.importorskip('triton')
CASES = [
    (torch.float32, False, 2, False, Switches()),
    (torch.bfloat16, True, 0, False, Switches(low_penalty='log_mse')),
    (
        torch.float16,
        True,
        3,
        True,
        Switches(
            band_layout='level',
            prompt_reduction='max',
            reduction='sum',
            high_penalty='mse',
            normalize=True,
        ),
    ),
]
COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from mmfreekd.frequency import triton_kernels as kernels

def build(kernel, capability, dtype='fp32', **constants):
    types, names = {}, kernel.arg_names
    for name in names:
        pointer = name.isupper() and len(name) > 1 or name in 'STMPQ'
        types[name] = 'fp32' if name.startswith('f_') else 'i32'
        if pointer and name != 'T' or name == 'T' and 'S' in names:
            half = name in ('S', 'T', 'GRADIENT')
            types[name] = f'*{dtype}' if half else '*fp32'
        if name in constants:
            types[name] = 'constexpr'
    values = {(names.index(k),): v for k, v in constants.items()}
    source = ASTSource(kernel, types, values, {})
    compiled = triton.compile(source, target=GPUTarget('cuda', capability, 32))
    assert compiled.asm['cubin'], names

for capability in (80, 90):
    for normalized in (False, True):
        for unused in (['PULL', 'GRADIENT'], ['VALUES', 'SUMS']):
            absent = unused + ([] if normalized else ['MOMENTS', 'WEIGHTS'])
            build(
                kernels.distance_kernel, capability,
                'fp16' if normalized else 'fp32',
                LOW='mse', HIGH='log_mse' if normalized else 'l1', NB=16,
                MASKED=True, WEIGHTED=normalized, NORMALIZED=normalized,
                BACKWARD='VALUES' in unused, **dict.fromkeys(absent),
            )
        build(
            kernels.masks_kernel, capability, SUBBAND=not normalized,
            REFINED=normalized, MAX=normalized, NB=16,
        )
"""


def test_the_kernels_build_for_ampere_and_hopper():
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    environment.pop('TRITON_INTERPRET', None)
    run = subprocess.run(
        [sys.executable, '-c', COMPILE],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize('case', CASES)
def test_the_check_at_the_first_use_passes(case, device):
    before = torch.get_rng_state()
    error = triton_form._error(torch.device(device), *case)
    assert error < triton_form.TOLERANCE
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def checked(monkeypatch):
    """The kernels on any device, with nothing known of it."""
    monkeypatch.setattr(triton_form, 'DEVICES', ('cpu', 'cuda'))
    triton_form._works.cache_clear()
    yield monkeypatch
    triton_form._works.cache_clear()


def wrong(*args):
    raise RuntimeError('no ptxas')


@pytest.mark.parametrize(
    'launch, reason', [(lambda *args: None, 'off by'), (wrong, 'no ptxas')]
)
def test_falls_back_with_one_warning(checked, launch, reason):
    checked.setattr(triton_form, 'launch', launch)
    s, t = torch.randn(2, 1, 3, 9, 6)
    s.requires_grad_()
    expected = frequency_distance(s.double(), t.double()).float()
    with pytest.warns(RuntimeWarning, match=f'{reason}.*MMFREEKD_TRITON=0'):
        value = frequency_distance(s, t)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        frequency_distance(s, t)
    torch.testing.assert_close(value, expected)


def test_a_switch_turns_them_off(checked):
    checked.setattr(triton_form, 'launch', wrong)
    checked.setenv(triton_form.SWITCH, '0')
    s, t = torch.randn(2, 1, 3, 9, 6)
    frequency_distance(s, t)


def test_does_without_triton(checked):
    checked.setattr(triton_form, 'find_spec', lambda name: None)
    checked.setattr(triton_form, 'launch', wrong)
    s, t = torch.randn(2, 1, 3, 9, 6)
    frequency_distance(s, t)


def test_leaves_alone_what_it_cannot_do(checked):
    checked.setattr(triton_form, 'launch', wrong)
    s, t = torch.randn(2, 1, 3, 9, 6)
    for x, levels in ((s.double(), 3), (s, 2), (s, 4)):
        frequency_distance(x, t.to(x), levels=levels)
