"""tools/train.py and tools/test.py: options, and mistakes of the user."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmfreekd.errors import UsageError

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture()
def cli(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import _cli

    monkeypatch.setenv('LOCAL_RANK', '0')
    return _cli


@pytest.fixture()
def train(cli):
    import train as module

    return module


@pytest.fixture()
def config(tmp_path) -> str:
    path = tmp_path / 'a_config.py'
    path.write_text("model = dict(type='A', depth=18)\nstages = [1, 2]\n")
    return str(path)


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_help_is_quick_and_does_not_name_gpus(tool):
    # mim reads this text, and would add the option
    start = time.monotonic()
    text = subprocess.check_output(
        [sys.executable, TOOLS / f'{tool}.py', '-h'], text=True
    )
    assert time.monotonic() - start < 5
    assert '--gpus' not in text
    assert '--cfg-options' in text and '--launcher' in text


@pytest.mark.parametrize(
    'tool, arguments, message',
    [
        (
            'train',
            ['missing.py'],
            "there is no 'missing.py'.*mim train mmfreekd",
        ),
        ('train', ['a_config.py', '--resume', 'x.pth'], "there is no 'x.pth'"),
        ('test', ['a_config.py', 'x.pth'], "there is no 'x.pth'"),
        (
            'test',
            ['a_config.py', 'x.pth', '--out', 'x.json'],
            "ends in .pkl.*'x.json' was given",
        ),
        ('train', ['a_config.py', '--auto-scale-lr'], 'base_batch_size'),
    ],
)
def test_mistakes_end_in_one_line(config, tool, arguments, message):
    done = subprocess.run(
        [sys.executable, TOOLS / f'{tool}.py', *arguments],
        text=True,
        cwd=Path(config).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert done.returncode == 2
    *_, line = done.stderr.splitlines()
    assert line.startswith('error: ') and 'Traceback' not in done.stderr
    assert re.search(message, line)


@pytest.mark.parametrize('spelling', ['--local-rank=1', '--local_rank=1'])
def test_both_spellings_of_local_rank(train, spelling, config):
    assert train.parse_args([config, spelling]).local_rank == 1


def test_resume_with_and_without_a_path(train, config):
    assert train.parse_args([config]).resume is None
    assert train.parse_args([config, '--resume']).resume == 'auto'
    assert train.parse_args([config, '--resume', 'a.pth']).resume == 'a.pth'


def test_options_change_the_config(cli, train, config):
    args = train.parse_args(
        [
            config,
            '--launcher',
            'pytorch',
            '--cfg-options',
            'model.depth=50',
            'stages=[3,4]',
            'model.name=r50',
        ]
    )
    cfg = cli.load_config(args)
    assert cfg.model == dict(type='A', depth=50, name='r50')
    assert cfg.stages == [3, 4] and cfg.launcher == 'pytorch'


@pytest.mark.parametrize(
    'in_config, option, expected',
    [
        (None, None, 'work_dirs/a_config'),
        ('from_config', None, 'from_config'),
        ('from_config', 'given', 'given'),
    ],
)
def test_work_dir(cli, train, config, in_config, option, expected):
    if in_config:
        Path(config).write_text(f'work_dir = {in_config!r}\n')
    arguments = ['--work-dir', option] if option else []
    cfg = cli.load_config(train.parse_args([config, *arguments]))
    assert cfg.work_dir == expected


@pytest.fixture()
def checkpoint(tmp_path) -> str:
    """What training writes, as far as resuming looks at it."""
    path = str(tmp_path / 'iter_8.pth')
    torch.save(dict(state_dict={}, optimizer={}, message_hub={}), path)
    return path


@pytest.mark.parametrize('given', ['auto', None])
def test_resume_takes_a_checkpoint(train, tmp_path, checkpoint, given):
    (tmp_path / 'last_checkpoint').write_text(checkpoint)
    cfg = Config(dict(work_dir=str(tmp_path), load_from='start.pth'))
    train.set_resume(cfg, given or checkpoint)
    assert cfg.resume and cfg.load_from == checkpoint


def test_resume_of_nothing_starts_afresh(train, tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), load_from='start.pth'))
    train.set_resume(cfg, 'auto')
    assert not cfg.resume and cfg.load_from == 'start.pth'


def test_a_checkpoint_that_is_gone_or_broken_is_named(
    train, tmp_path, checkpoint
):
    cfg = Config(dict(work_dir=str(tmp_path)))
    Path(checkpoint).write_bytes(Path(checkpoint).read_bytes()[:-9])
    with pytest.raises(train.UsageError, match='iter_8.pth.*cannot be read'):
        train.set_resume(cfg, checkpoint)
    Path(checkpoint).unlink()
    (tmp_path / 'last_checkpoint').write_text('run/iter_8.pth')
    with pytest.raises(train.UsageError, match='no file .*iter_8.pth'):
        train.set_resume(cfg, 'auto')


AMP = dict(type='AmpOptimWrapper', loss_scale='dynamic')
SCALED = dict(type='AmpOptimWrapper', loss_scale=512)


@pytest.mark.parametrize(
    'wrapper, expected',
    [
        (dict(type='OptimWrapper'), AMP),
        (dict(), AMP),
        (SCALED, SCALED),
        (dict(architecture=dict(type='OptimWrapper')), dict(architecture=AMP)),
    ],
)
def test_amp(train, monkeypatch, wrapper, expected):
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cuda')
    cfg = Config(dict(optim_wrapper=wrapper))
    train.enable_amp(cfg)
    assert cfg.optim_wrapper == expected


@pytest.mark.parametrize(
    'device, words', [('cuda', 'ApexOptimWrapper'), ('cpu', 'needs a GPU')]
)
def test_amp_refuses(train, monkeypatch, device, words):
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    cfg = Config(dict(optim_wrapper=dict(type='ApexOptimWrapper')))
    with pytest.raises(UsageError, match=words):
        train.enable_amp(cfg)


def test_auto_scale_lr(train):
    cfg = Config(dict(auto_scale_lr=dict(base_batch_size=16)))
    train.enable_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable


def test_cpu_processes_of_other_launchers_are_refused(cli, monkeypatch):
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    with pytest.raises(UsageError, match='dist_train.sh'):
        cli.use_cpu_processes(Config(dict(launcher='slurm')))


def test_errors_of_the_program_keep_their_traceback(cli):
    def main():
        raise ValueError('a bug')

    with pytest.raises(ValueError, match='a bug'):
        cli.run(main)


@pytest.mark.parametrize('rank, shown', [('0', 'error: so\n'), ('1', '')])
def test_one_process_of_many_shows_the_mistake(
    cli, monkeypatch, capsys, rank, shown
):
    def main():
        raise UsageError('so')

    monkeypatch.setenv('LOCAL_RANK', rank)
    with pytest.raises(SystemExit) as exit_:
        cli.run(main)
    assert exit_.value.code == 2 and capsys.readouterr().err == shown
