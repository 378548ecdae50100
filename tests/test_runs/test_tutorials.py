"""The commands of the docs run as they stand, or say what they need.

The pages are followed from the first command to the last, with two iterations
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

FOLLOWED = ('docs/stages.md', 'docs/robustness.md')
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / 'README.md', *ROOT.glob('docs/*.md')]
)
MARK = re.compile(r'# needs (COCO|Cityscapes|your data)')
# what sets up machines or prints what it finds, and the experiments
OTHER = re.compile(
    r'make |pip |mim install |python -m (mmfreekd|benchmarks)\.|'
    r'python tools/train.py CONFIG --dry-run|# '
)


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
    return [line for line in lines if line and not OTHER.match(line)]


@pytest.mark.parametrize('page', PAGES)
def test_every_command_is_followed_or_says_what_it_needs(page):
    assert commands(page) == [] or page in FOLLOWED


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
        if program == 'mim':
            return workspace.run(sys.executable, '-m', 'mim', *words)
        assert program == 'python'
        tool, *words = words
        if tool == 'tools/train.py':
            words += short_run(2)
        monkeypatch.setattr(sys, 'argv', [tool, *words])
        name = Path(tool).stem
        sys.modules.pop(name, None)  # tests have a module of this name
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            __import__(name).main()
        return out.getvalue()

    return follow


@pytest.mark.slow
def test_the_pages_from_the_first_command_to_the_last(follow, workspace):
    pytest.importorskip('imagecorruptions')
    for page in FOLLOWED:
        for command in commands(page):
            # the workspace has a teacher already, as from the demo
            if 'demo/pspnet/teacher' not in command:
                printed = follow(command)
                assert 'mim test' not in command or 'mIoU' in printed
    run = workspace.path / 'work_dirs/tutorial'
    assert (run / 'student_iter_2.pth').is_file()
    assert [*run.glob('**/frequency_*.png')]
    assert [*(workspace.path / 'published').glob('pspnet_r18w8*.pth')]
    assert [*workspace.path.glob('**/robustness.jsonl')]
    text = (ROOT / FOLLOWED[0]).read_text()
    for heading, work_dir, count in (
        ('Stage 1: prompts', run / 'stage_1', 3),
        ('Stage 2: distillation', run, 6),
    ):
        section = text.split(f'## {heading}')[1].split('\n## ')[0]
        lines = section.split('| Log key |')[1].split('\n\n')[0].splitlines()
        keys = re.findall(
            '`(.+?)`', ' '.join(x.split('|')[1] for x in lines[2:])
        )
        assert len(keys) == count
        logged = {
            key
            for path in work_dir.glob('*/vis_data/scalars.json')
            for line in path.read_text().splitlines()
            for key in json.loads(line)
        }
        for key in keys:
            pattern = re.sub(r'\\\*|\\{.*?\\}', '.+', re.escape(key))
            assert any(re.fullmatch(pattern, name) for name in logged), key
