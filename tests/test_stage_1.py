"""Which command makes prompts, in a clone, installed and without a config."""

import pytest

from mmfreekd.checkpoints import stage_1
from mmfreekd.checkpoints.stage_1 import stage_1_command

NAME = 'prompt_gfl_r101_coco'
WANTED = f'work_dirs/{NAME}/prompts.pth'


@pytest.fixture(params=['freekd/prompt', 'foundation/sam', '_template_'])
def installed(request, tmp_path, monkeypatch):
    """An installed package: configs inside, no clone around it."""
    configs = tmp_path / 'mmfreekd/.mim/configs' / request.param
    configs.mkdir(parents=True)
    (configs / f'{NAME}.py').touch()
    monkeypatch.setattr(stage_1, 'CLONE', tmp_path)
    monkeypatch.setattr(stage_1, 'PACKAGE', tmp_path / 'mmfreekd')
    return request.param


def test_in_a_clone_it_runs_as_it_is_printed(monkeypatch):
    monkeypatch.chdir(stage_1.CLONE)
    assert stage_1_command(WANTED) == (
        f'python tools/train.py configs/freekd/prompt/{NAME}.py'
    )


def test_of_an_installed_package_mim_finds_the_config(installed):
    found = stage_1_command(WANTED) == f'mim train mmfreekd {NAME}.py'
    assert found == (installed != '_template_')


@pytest.mark.parametrize(
    'path', [None, 'prompts.pth', '/nowhere/[a]*/x.pth', 'mine/prompts.pth']
)
def test_without_a_config_of_that_name_it_says_where_to_look(path):
    assert 'PROMPT_CONFIG, with the config of this teacher' in (
        stage_1_command(path)
    )


def test_the_template_is_not_what_makes_them():
    assert 'PROMPT_CONFIG' in stage_1_command(
        'work_dirs/prompt_my_coco/prompts.pth'
    )
