"""The doctor names each known problem with the command that fixes it."""

import sys

import mmcv.ops
import pytest
import torch

from mmfreekd.doctor import environment
from mmfreekd.doctor.__main__ import main


@pytest.fixture
def versions(monkeypatch):
    """Pretend that other versions are installed."""
    real = environment.installed

    def pretend(**changes):
        monkeypatch.setattr(
            environment,
            'installed',
            lambda name: changes.get(name.replace('-', '_'), real(name)),
        )

    return pretend


def advice(check):
    findings = getattr(environment, check)()
    return '\n'.join(finding.advice for finding in findings if finding.advice)


def test_this_environment_is_fine(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    for name in ('Python', 'mmcv.ops', 'mmfreekd.compat', 'torchvision'):
        assert f'ok    {name}' in out
    assert 'nms kept 1 of 2 boxes on cpu' in out


@pytest.mark.parametrize(
    'check, changes, command',
    [
        ('packages', dict(torch='1.13.1'), 'pip install torch==2.13.0'),
        ('packages', dict(mmrazor=None), 'pip install mmrazor==1.0.0'),
        ('torchvision', dict(torchvision='0.20'), 'one index'),
    ],
)
def test_a_problem_comes_with_its_fix(versions, check, changes, command):
    assert not advice(check)
    versions(**changes)
    assert command in advice(check)


def test_a_torch_that_is_not_refused_is_fine(versions):
    versions(torch='2.6.0')
    assert not advice('packages')


def test_a_problem_is_an_exit_status(versions, capsys):
    versions(mmrazor=None)
    assert main([]) == 1
    assert 'pip install mmrazor==1.0.0' in capsys.readouterr().out


def test_operators_that_do_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv.ops', None)
    assert 'mmcv==' in advice('operators')


def test_a_cuda_torch_needs_cuda_operators(monkeypatch):
    monkeypatch.setattr(torch.version, 'cuda', '12.8')
    monkeypatch.setattr(torch, '__version__', '2.8.0+cu128')
    compiled_for = 'get_compiling_cuda_version'
    monkeypatch.setattr(mmcv.ops, compiled_for, lambda: 'not available')
    (finding,) = environment.operators()
    assert 'MMCV has no CUDA ops' in finding.found
    assert 'MMCV' in finding.advice or 'mmcv' in finding.advice
    monkeypatch.setattr(mmcv.ops, compiled_for, lambda: '12.8')
    assert not advice('operators')


def test_a_config_that_is_not_there(capsys):
    assert main(['nowhere.py']) == 1
    assert "there is no 'nowhere.py'" in capsys.readouterr().err
