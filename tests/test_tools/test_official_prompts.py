"""tools/model_converters/official_prompts.py: an official checkpoint to ours.

What is read from it is tested in test_prompt_files.py.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.models import FreeKDLoss

TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools'
    / 'model_converters'
    / 'official_prompts.py'
)


@pytest.fixture
def tool(monkeypatch):
    """Runs the tool in this process."""
    monkeypatch.syspath_prepend(str(TOOL.parent))
    import official_prompts

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['tool', *map(str, arguments)])
        official_prompts.main()

    return call


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'official.pth'
    weights = {
        f'module.mask_modules.{i}.mask_token': torch.randn(4, 6, c)
        for i, c in enumerate((3, 5))
    }
    weights['module.neck.weight'] = torch.ones(1000)
    torch.save(dict(meta=dict(epoch=1), state_dict=weights), path)
    return path


def run_tool(*arguments):
    return subprocess.run(
        [sys.executable, TOOL, *arguments], text=True, capture_output=True
    )


def loss_of(path):
    return FreeKDLoss([3, 5], preset='official', prompt_ckpt=str(path))


def test_original_and_converted_give_the_same_loss(source, tmp_path):
    target = tmp_path / 'prompts.pth'
    done = run_tool(source, target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f'{target}: 2 pyramid levels with C = [3, 5] channels, T = 6 prompts '
        "for each of 4 bands (band_layout='level', levels=3, wavelet='haar'). "
        "FreeKDLoss takes them with preset='official'"
    )
    s_levels, t_levels = (
        [torch.randn(2, 3, 16, 16), torch.randn(2, 5, 9, 7)] for _ in range(2)
    )
    before, after = loss_of(source), loss_of(target)
    assert_close(
        after(s_levels, t_levels), before(s_levels, t_levels), rtol=0, atol=0
    )
    assert after.prompt_meta == before.prompt_meta


def test_writes_what_stage_1_writes(tool, source, tmp_path):
    target = tmp_path / 'prompts.pth'
    tool(source, target)
    content = torch.load(target, weights_only=True)
    assert content.keys() == {'meta', 'state_dict'}
    shapes = {k: tuple(v.shape) for k, v in content['state_dict'].items()}
    assert shapes == {'0.prompts': (4, 6, 3), '1.prompts': (4, 6, 5)}
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        'official.pth',
        'prompts.pth',
    ]


def test_replaces_a_file_only_with_force(tool, source, tmp_path):
    target = tmp_path / 'prompts.pth'
    target.write_text('mine')
    with pytest.raises(UsageError, match='prompts.pth is there.*--force'):
        tool(source, target)
    assert target.read_text() == 'mine'
    tool(source, target, '--force')
    assert loss_of(target).prompt_meta['num_prompts'] == 6


@pytest.mark.parametrize(
    'name, message',
    [
        ('.', 'OUT: a file was expected, but .* is a folder'),
        ('no/prompts.pth', "OUT: .*no/prompts.pth' cannot be written.*exists"),
        ('official.pth/prompts.pth', 'OUT: .*cannot be written'),
        ('prompts.safetensors', 'OUT: .*call it .pth'),
    ],
)
def test_names_what_cannot_be_written(tool, source, tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        tool(source, tmp_path / name, '--force')


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'IN: there is no file'),
        (
            dict(state_dict={'0.prompts': torch.ones(1)}),
            'IN: .*was expected, with keys mask_modules.0.mask_token.*'
            'prompts.pth of stage 1 needs no conversion',
        ),
        (
            {'mask_modules.0.mask_token': torch.ones(3, 6, 2)},
            r'IN: .*\(4, T, C\).*got \(3, 6, 2\)',
        ),
    ],
)
def test_names_what_cannot_be_converted(tool, tmp_path, content, message):
    source, target = tmp_path / 'in.pth', tmp_path / 'out.pth'
    if content:
        torch.save(content, source)
    with pytest.raises(UsageError, match=message):
        tool(source, target)
    assert not target.exists()


def test_mistakes_end_in_one_line(source):
    done = run_tool(source, source)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: OUT: ') and line.endswith('replace it')


def test_help_is_quick():
    start = time.monotonic()
    done = run_tool('-h')
    assert time.monotonic() - start < 5
    assert done.returncode == 0 and '--force' in done.stdout
