"""Versions that do not work together are refused, with the fix."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from mmfreekd.compat import versions as compat
from mmfreekd.compat.mmcv_wheels import WHEELS, mmcv_command, wheel_command
from mmfreekd.compat.versions import STACKS, WORKING, known_bad, numbers

ROOT = Path(__file__).parents[1]


def requirements(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    found = [Requirement(line) for line in lines if line and line[0] != '#']
    return {requirement.name: requirement for requirement in found}


def pretend(stack, **changes):
    """The tested versions of a stack, but for some."""
    versions = {**compat.tested(stack), 'setuptools': '81.0.0'}
    versions |= {name.replace('_', '-'): v for name, v in changes.items()}
    return versions.get


def test_what_is_installed_is_not_refused():
    assert known_bad() == []


@pytest.mark.parametrize(
    'stack, versions, command',
    [
        ('openmmlab', dict(torch='1.13.1+cu117'), 'torch==2.13.0'),
        ('onedl', dict(torch='2.2.2'), 'torch==2.13.0'),
        ('openmmlab', dict(mmcv='2.2.0'), 'mmcv mmcv==2.1.0'),
        ('openmmlab', dict(mmcv='1.7.1'), 'mmcv mmcv==2.1.0'),
        ('onedl', dict(onedl_mmcv='2.2.0'), 'onedl-mmcv==2.3.6'),
        ('onedl', dict(onedl_mmcv=None, mmcv_lite='2.1.0'), 'mmcv-lite'),
        ('onedl', dict(mmrazor='0.3.1'), 'pip install mmrazor==1.0.0'),
        ('openmmlab', dict(mmdet='2.28.2'), 'pip install mmdet==3.3.0'),
        ('openmmlab', dict(setuptools='82.0.1'), "'setuptools>=77,<82'"),
        ('onedl', dict(mmdet='3.3.0'), 'pip uninstall -y'),
    ],
)
def test_a_known_break_comes_with_its_fix(stack, versions, command):
    (problem,) = known_bad(pretend(stack, **versions))
    assert 'not work' in problem and command in problem.split('Fix: ')[1]


@pytest.mark.parametrize(
    'stack, versions',
    [
        ('openmmlab', {}),
        ('onedl', {}),
        ('onedl', dict(torch='2.3.0', onedl_mmcv='2.3.7')),
        ('onedl', dict(torch='2.15.0a0+git', setuptools='82.0')),
        ('openmmlab', dict(mmcv='2.0.1', mmdet=None)),
    ],
)
def test_what_may_work_is_not_refused(stack, versions):
    assert known_bad(pretend(stack, **versions)) == []


@pytest.mark.parametrize('stack', STACKS)
def test_tested_versions_are_pinned_required_and_not_refused(stack):
    pins = requirements('constraints')
    required = requirements('runtime') | requirements(stack)
    for name, found in compat.tested(stack).items():
        assert str(pins[name].specifier) == f'=={found}'
        assert required[name].specifier.contains(found)
    for name, (least, below, _) in WORKING.items():
        for pin in required[name].specifier if name in required else ():
            assert pin.operator == '<' or least <= numbers(pin.version) < below
            assert pin.operator != '<' or numbers(pin.version) <= below


def test_mmcv_comes_as_a_wheel_where_there_is_one(monkeypatch):
    for (minor, cuda), _ in WHEELS.items():
        monkeypatch.setattr(torch, '__version__', f'{minor}.1+x')
        monkeypatch.setattr(
            torch.version, 'cuda', None if cuda == 'cpu' else cuda
        )
        assert mmcv_command('onedl') == wheel_command(minor, cuda)
        assert '--only-binary' in wheel_command(minor, cuda)
    monkeypatch.setattr(torch, '__version__', '2.13.0')
    monkeypatch.setattr(torch.version, 'cuda', '13.0')
    assert 'FORCE_CUDA=1' in mmcv_command('openmmlab')


def test_the_docs_list_the_wheels():
    page = (ROOT / 'docs/installation.md').read_text()
    for (minor, cuda), mmcv in WHEELS.items():
        assert f'| {minor}.0 | {cuda} | {mmcv} |' in page
    assert 'mim install onedl-mmcv==2.3.6 --only-binary=onedl-mmcv' in page
    assert '://' not in page  # hosts of packages change


CODE = """
import importlib.metadata as metadata
version = metadata.version
metadata.version = lambda name: '2.2.0' if name == 'torch' else version(name)
import mmfreekd.frequency, mmfreekd.doctor.environment
print('the core is not affected')
import sys
sys.path.insert(0, 'tools')
import {}
"""


@pytest.mark.parametrize(
    'module, first',
    [
        ('mmfreekd.registry', 'Traceback'),
        ('train', 'error: torch'),  # no traceback for users of the tools
    ],
)
def test_the_refusal_ends_an_import(module, first):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', CODE.format(module)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == 'the core is not affected'
    assert done.returncode == 1 and done.stderr.startswith(first)
    assert 'rror: torch 2.2.0 does not work here' in done.stderr
