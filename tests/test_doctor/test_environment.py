"""The doctor names each known break with the command that mends it."""

import pytest

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


def mends(findings):
    return {name: mend for name, _, mend in findings if mend}


def test_here_all_is_well(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    for name in (
        'Python',
        'mmcv.ops',
        'mmfreekd.compat',
        'torchvision',
    ):
        assert f'ok    {name}' in out
    assert 'MEND' not in out and 'nms kept 1 of 2' in out


@pytest.mark.parametrize(
    'check, changes, name, mend',
    [
        ('packages', dict(mmcv='2.2.0'), 'mmcv', '--no-build-isolation'),
        ('packages', dict(mmcv=None), 'mmcv', 'mmcv==2.1.0'),
        ('packages', dict(mmcv_lite='2.1.0'), 'mmcv-lite', 'pip uninstall -y'),
        ('packages', dict(mmdet='2.28'), 'mmdet', 'pip install mmdet==3.3.0'),
        ('packages', dict(torch='1.13.1'), 'torch', 'torch==2.13.0'),
        ('packages', dict(ftfy=None), 'ftfy', 'pip install ftfy'),
        ('packages', dict(joblib=None), 'joblib', 'pip install joblib'),
        ('build_tools', dict(setuptools='82.0.1'), 'setuptools', '<82'),
        ('build_tools', dict(setuptools='60.2'), 'setuptools', '>=77'),
        ('torchvision', dict(torchvision='0.20'), 'torchvision', 'one index'),
    ],
)
def test_each_known_break_has_its_mend(versions, check, changes, name, mend):
    assert not mends(getattr(environment, check)())
    versions(**changes)
    assert mend in mends(getattr(environment, check)())[name]


def test_another_torch_that_is_not_refused_is_fine(versions):
    versions(torch='2.6.0')
    assert 'torch' not in mends(environment.packages())


def test_a_break_is_an_exit_status(versions, capsys):
    versions(setuptools='82.0.1')
    assert main([]) == 1
    assert 'MEND' in capsys.readouterr().out


def test_operators_that_do_not_load(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'mmcv.ops', None)
    assert 'mmcv==2.1.0' in mends(environment.operators())['mmcv.ops']


def test_a_config_that_is_not_there(capsys):
    assert main(['nowhere.py']) == 1
    assert "there is no 'nowhere.py'" in capsys.readouterr().err
