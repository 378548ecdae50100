"""Versions that do not work together are refused in one sentence."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mmfreekd.compat.versions import TESTED, WORKING, known_bad, numbers

ROOT = Path(__file__).parents[1]


def pretend(**versions):
    """Other versions than those that are installed."""
    named = {name.replace('_', '-'): v for name, v in versions.items()}
    return lambda name: named.get(name, real(name))


def real(name):
    return None if name == 'mmcv-lite' else version(name)


def test_what_is_installed_is_not_refused():
    assert known_bad(real) == []


@pytest.mark.parametrize(
    'versions, mend',
    [
        (
            dict(torch='1.13.1+cu117', numpy='1.26'),
            'pip install torch==2.13.0',
        ),
        (dict(torch='2.2.2'), 'pip install torch==2.13.0'),
        (dict(mmcv='2.2.0'), '--no-binary mmcv mmcv==2.1.0'),
        (dict(mmcv='1.7.1'), '--no-binary mmcv mmcv==2.1.0'),
        (dict(mmcv=None, mmcv_lite='2.1.0'), 'pip uninstall -y mmcv-lite'),
        (dict(mmrazor='0.3.1'), 'pip install mmrazor==1.0.0'),
        (dict(mmdet='2.28.2'), 'pip install mmdet==3.3.0'),
        (dict(mmsegmentation='0.30'), 'pip install mmsegmentation==1.2.2'),
        (dict(setuptools='82.0.1'), 'pip install "setuptools>=77,<82"'),
    ],
)
def test_each_break_says_what_mends_it(versions, mend):
    (said,) = known_bad(pretend(**versions))
    assert 'does not work' in said and mend in said.split('Mend it with: ')[1]


@pytest.mark.parametrize(
    'versions',
    [
        dict(torch='2.3.0'),
        dict(torch='2.15.0a0+git'),
        dict(mmcv='2.0.1'),
        dict(mmcv=None, mmrazor=None, mmdet=None, mmsegmentation=None),
    ],
)
def test_what_may_work_is_not_refused(versions):
    assert known_bad(pretend(**versions)) == []


def test_what_setup_requires_is_not_refused():
    lines = (ROOT / 'requirements/runtime.txt').read_text().splitlines()
    required = {
        (needed := Requirement(line)).name: needed.specifier
        for line in lines
        if line and not line.startswith('#')
    }
    for package, least, below, _ in WORKING:
        specifier = required[package]
        for pin in specifier:
            if pin.operator in ('>=', '=='):
                assert least <= numbers(pin.version) < below
            if pin.operator == '<':
                assert numbers(pin.version) <= below
    text = ('.'.join(map(str, WORKING[0].least)), str(required['torch']))
    assert text[1] == f'>={text[0]}'


def test_what_counts_as_tested_is_what_is_pinned():
    lines = (ROOT / 'requirements/constraints.txt').read_text().splitlines()
    pinned = dict(line.split('==', 1) for line in lines if '==' in line)
    assert TESTED == {name: pinned[name] for name in TESTED}


CODE = """
import importlib.metadata as metadata
version = metadata.version
metadata.version = lambda name: '82.0' if name == 'setuptools' else (
    version(name))
import mmfreekd.frequency, mmfreekd.doctor.environment
print('the core is let be')
import sys
sys.path.insert(0, 'tools')
import {}
"""


@pytest.mark.parametrize(
    'module, first',
    [
        ('mmfreekd.registry', 'Traceback'),
        ('mmfreekd.models', 'Traceback'),
        ('train', 'error: setuptools'),  # what users run has no traceback
    ],
)
def test_the_refusal_is_the_last_word_of_an_import(module, first):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', CODE.format(module)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == 'the core is let be'
    assert done.returncode == 1 and done.stderr.startswith(first)
    last = done.stderr.strip().splitlines()[-1]
    assert 'rror: setuptools 82.0 does not work here' in last
    assert last.endswith('Mend it with: pip install "setuptools>=77,<82"')
