"""What the README shows is there, and its configs run as they stand."""

import re
import shutil
import sys

import pytest
from runs import ROOT, STUDENTS, TEACHERS, config_path, short_run

README = (ROOT / 'README.md').read_text()
CODE = re.findall(r'```(\w+)\n(.*?)```', README, re.S)
BASH = '\n'.join(text for kind, text in CODE if kind == 'bash')
STAGE_1, STAGE_2 = (text for kind, text in CODE if kind == 'python')


@pytest.mark.parametrize(
    'path', sorted(set(re.findall(r'(?:configs|tools)/[\w/.-]+\.\w+', BASH)))
)
def test_files_in_commands_exist(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(
    'name', sorted(set(re.findall(r'\b(?:freekd|prompt)_\S+?\.py', BASH)))
)
def test_configs_in_commands_exist(name):
    assert len(list((ROOT / 'configs').rglob(name.split('/')[-1]))) == 1


@pytest.mark.slow
def test_both_stages_run_as_the_readme_writes_them(workspace):
    folder = workspace.path
    for mine, task in (('my_teacher', TEACHERS), ('my_student', STUDENTS)):
        base = config_path(task['reppoints'])
        (folder / f'{mine}.py').write_text(f'_base_ = {base!r}\n')
    shutil.copy(
        folder / 'work_dirs/demo/reppoints/teacher/iter_1000.pth',
        folder / 'my_teacher.pth',
    )
    # the demo's feature is 64 channels wide and has three levels
    for name, text in (('stage_1', STAGE_1), ('stage_2', STAGE_2)):
        text = text.replace('256', '64').replace(
            'num_levels=5', 'num_levels=3'
        )
        (folder / f'{name}.py').write_text(text)
    run(workspace, 'stage_1')
    shutil.copy(folder / 'readme_stage_1/prompts.pth', folder / 'prompts.pth')
    run(workspace, 'stage_2')
    assert (folder / 'readme_stage_2/student_iter_2.pth').is_file()


def run(workspace, name: str) -> None:
    """Two iterations of a config in the workspace."""
    workspace.run(
        sys.executable,
        ROOT / 'tools/train.py',
        f'{name}.py',
        '--work-dir',
        f'readme_{name}',
        *short_run(2),
    )
