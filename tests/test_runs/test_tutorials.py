"""The commands of README and docs run as they stand, or say what they need.

Each page is followed from its first command to its last, with two iterations
instead of hundreds.
"""

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from runs import ROOT, short_run

PAGES = ('README.md', 'docs/stage_1.md', 'docs/stage_2.md')
YOURS = ('docs/own_data.md',)
MARK = re.compile(r'# needs (COCO|Cityscapes|your data)')
# of README: what sets up machines, and what `make` runs by itself
OTHER = re.compile(r'make |pip |MMCV_WITH_OPS=|python -m mmfreekd.compat|# ')


def commands(page: str) -> list:
    """The commands of a page that need no data but ours."""
    blocks = re.findall(
        r'^```bash\n(.*?)^```', (ROOT / page).read_text(), re.M | re.S
    )
    lines = [
        line
        for block in blocks
        if not MARK.match(block)
        for line in block.replace('\\\n', ' ').splitlines()
    ]
    return [
        line.split('  #')[0]
        for line in lines
        if line and not OTHER.match(line)
    ]


@pytest.mark.parametrize('page', PAGES + YOURS)
def test_every_command_is_of_a_kind_that_is_tested(page):
    for command in commands(page):
        assert re.match(r'python tools/|mim test mmseg|cp -r|grep', command)


@pytest.mark.parametrize(
    'page', [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md'))]
)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)#]+)\)', page.read_text()):
        assert link.startswith('https:') or (page.parent / link).exists()


@pytest.fixture
def follow(workspace, monkeypatch):
    """Runs tools inside the process of the tests, for imports take longest."""
    monkeypatch.chdir(workspace.path)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    if not Path('configs').exists():
        shutil.copytree(ROOT / 'configs', 'configs')
    for folder in ('tools', 'tools/analysis'):
        monkeypatch.syspath_prepend(str(ROOT / folder))

    def follow(command: str) -> str:
        # two iterations leave checkpoints of other names
        command = re.sub(r'iter_\d+(?=\.pth)', 'iter_2', command)
        program, *words = shlex.split(command)
        if program != 'python':
            if program == 'mim':
                program, words = sys.executable, ['-m', 'mim', *words]
            return workspace.run(program, *words)
        tool, *words = words
        if tool == 'tools/train.py':
            options = short_run(2)
            words += options[1:] if '--cfg-options' in words else options
        elif words[:1] == ['benchmarks.shapes']:
            return ''  # the workspace has its own, smaller ones
        monkeypatch.setattr(sys, 'argv', [tool, *words])
        name = Path(tool).stem
        sys.modules.pop(name, None)  # tests have a module of this name
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            __import__(name).main()
        return out.getvalue()

    return follow


@pytest.mark.slow
def test_both_stages_as_the_tutorials_show_them(follow, workspace):
    for page in ('docs/stage_1.md', 'docs/stage_2.md'):
        for command in commands(page):
            follow(command)
    run = workspace.path / 'work_dirs/tutorial'
    assert (run / 'student_iter_2.pth').is_file()
    assert list(run.parent.glob('prompt_*/frequency_*.png'))
    assert list((workspace.path / 'published').glob('pspnet_r18w8*.pth'))
    rows = [
        json.loads(line)
        for path in run.glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    logged = {key for row in rows for key in row}
    text = (ROOT / 'docs/stage_2.md').read_text()
    table = re.findall(r'^\| (`.*?) \|', text, re.M)
    keys = re.findall('`(.+?)`', ' '.join(table))
    assert len(keys) == 6
    for key in keys:
        pattern = re.sub(r'\\\*|\\{.*?\\}', '.+', re.escape(key))
        assert any(re.fullmatch(pattern, name) for name in logged), key


@pytest.mark.slow
def test_the_readme_by_hand(follow, workspace):
    for command in commands('README.md'):
        printed = follow(command)
    assert 'mIoU' in printed  # of mim test, the last
