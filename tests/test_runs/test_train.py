"""Both stages as users run them, on the configs of the demo."""

import sys
import time

import pytest
import torch
from runs import (
    FREEKD,
    ROOT,
    STUDENTS,
    config_path,
    train_command,
)

from mmfreekd.compat.versions import installed

TASKS = ('reppoints', 'pspnet')
pytestmark = pytest.mark.slow


def weights(path) -> dict:
    return torch.load(path)['state_dict']


def assert_same(actual: dict, expected: dict) -> None:
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(actual[key], value, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize('task', TASKS)
def test_stage_1_writes_nothing_but_prompts(workspace, task):
    command = train_command(FREEKD[task], f'{task}_prompt', 4)
    out = workspace.run(*command[:3], '--stage', 1, *command[3:])
    folder = workspace.path / f'{task}_prompt/stage_1'
    prompts = torch.load(folder / 'prompts.pth')
    checkpoint = torch.load(folder / 'iter_4.pth')
    assert all('prompts' in key for key in checkpoint['state_dict'])
    assert_same(
        {f'prompts.{k}': v for k, v in prompts['state_dict'].items()},
        checkpoint['state_dict'],
    )
    assert 'Overlap of the masks: ' in out
    overlap = prompts['meta']['mask_overlap']
    assert 0.9 < overlap['start'] <= 1
    assert overlap['end'] < overlap['start']


@pytest.mark.parametrize('task', TASKS)
def test_killed_and_resumed_equals_undisturbed(workspace, task):
    options = ('default_hooks.checkpoint.interval=5',)
    iters = 20
    workspace.train(FREEKD[task], f'{task}_whole', iters, *options)
    command = [*train_command(FREEKD[task], f'{task}_killed', iters, *options)]
    command.insert(command.index('--cfg-options'), '--resume')
    console = workspace.path / f'{task}_killed.log'
    process = workspace.start(command, console.name)
    until = time.time() + 120
    while f'[12/{iters}]' not in console.read_text():
        assert process.poll() is None and time.time() < until, (
            console.read_text()[-3000:]
        )
        time.sleep(0.02)
    process.kill()
    process.wait()
    out = workspace.run(*command)
    assert 'resumed epoch: 0, iter: 10' in out
    for name in (f'iter_{iters}.pth', f'student_iter_{iters}.pth'):
        assert_same(
            weights(workspace.path / f'{task}_killed' / name),
            weights(workspace.path / f'{task}_whole' / name),
        )


def test_stage_1_resumed_from_a_path_equals_undisturbed(workspace):
    options = ('stage_1.default_hooks.checkpoint.interval=3',)
    command = train_command(FREEKD['pspnet'], 'tuned_whole', 6, *options)
    command[3:3] = ['--stage', '1']
    workspace.run(*command)
    whole = workspace.path / 'tuned_whole/stage_1'
    command[command.index('tuned_whole')] = 'tuned_resumed'
    command[3:3] = ['--resume', str(whole / 'iter_3.pth')]
    out = workspace.run(*command)
    assert 'resumed epoch: 0, iter: 3' in out
    resumed = workspace.path / 'tuned_resumed/stage_1'
    for name in ('prompts.pth', 'iter_6.pth'):
        assert_same(weights(resumed / name), weights(whole / name))


@pytest.mark.parametrize('task', TASKS)
def test_exported_student_runs_in_the_stock_package(workspace, task):
    work_dir = f'{task}_export'
    workspace.train(FREEKD[task], work_dir, 3)
    folder = workspace.path / work_dir
    keys = weights(folder / 'iter_3.pth')
    assert not any(
        key.startswith('teacher') or 'prompts' in key for key in keys
    )
    # a detector that has hardly been trained is sure of nothing
    threshold = ('test_cfg.score_thr=0',) if task == 'reppoints' else ()
    inside = workspace.run(
        sys.executable,
        ROOT / 'tools/test.py',
        config_path(FREEKD[task]),
        folder / 'iter_3.pth',
        '--work-dir',
        f'{task}_inside',
        '--cfg-options',
        'custom_hooks=[]',
        *(f'model.architecture.{option}' for option in threshold),
    )
    onedl = 'onedl-mmdetection'  # which its mim calls so
    mmdet = onedl if installed(onedl) else 'mmdet'
    host = dict(reppoints=mmdet, pspnet='mmseg')[task]
    stock = workspace.run(
        sys.executable,
        '-m',
        'mim',
        'test',
        host,
        config_path(STUDENTS[task]),
        '--checkpoint',
        folder / 'student_iter_3.pth',
        '--work-dir',
        f'{task}_stock',
        '--cfg-options',
        'custom_hooks=[]',
        *(f'model.{option}' for option in threshold),
    )
    assert metrics(inside) == metrics(stock)
    assert metrics(inside)


def metrics(log: str) -> list:
    """The metrics of the last evaluation in a log, without its times."""
    line = [x for x in log.splitlines() if 'Iter(test)' in x][-1]
    return line.split(']', 1)[1].split('data_time')[0].split()
