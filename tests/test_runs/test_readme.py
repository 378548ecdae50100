"""The config that the README shows runs both stages as it stands."""

import re
import shutil
import sys

import pytest
from runs import ROOT, STUDENTS, TEACHERS, config_path, short_run

(CONFIG,) = re.findall(
    r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.S
)


def test_a_pair_takes_at_most_twelve_lines():
    assert len(CONFIG.splitlines()) <= 12


@pytest.mark.slow
def test_both_stages_run_as_the_readme_writes_them(workspace):
    folder = workspace.path / 'readme'
    folder.mkdir()
    (folder / 'data').symlink_to(workspace.path / 'data')
    for name, task in (('my_teacher', TEACHERS), ('my_student', STUDENTS)):
        base = config_path(task['reppoints'])
        (folder / f'{name}.py').write_text(f'_base_ = {base!r}\n')
    shutil.copy(
        workspace.path / 'work_dirs/demo/reppoints/teacher/iter_1000.pth',
        folder / 'my_teacher.pth',
    )
    (folder / 'my_pair.py').write_text(CONFIG)
    workspace.run(
        sys.executable,
        ROOT / 'tools/train.py',
        'my_pair.py',
        *short_run(2),
        cwd=folder,
    )
    run = folder / 'work_dirs/my_pair'
    assert (run / 'stage_1/prompts.pth').is_file()
    assert (run / 'student_iter_2.pth').is_file()
