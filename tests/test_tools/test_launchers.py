"""The shell scripts, with the programs that they start replaced."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
RECORD = """#!/bin/sh
for word in "$@"; do echo "$word"; done
echo "$MASTER_PORT" >> ports
"""


@pytest.fixture()
def launch(tmp_path):
    """Run a script from another folder; return what it would start."""
    for program in ('srun', 'recorder'):
        path = tmp_path / program
        path.write_text(RECORD)
        path.chmod(0o755)

    def run(script: str, *arguments: str, **variables: str) -> list:
        environment = dict(
            os.environ,
            PATH=f'{tmp_path}:{os.environ["PATH"]}',
            PYTHON=str(tmp_path / 'recorder'),
            PORT='1234',
            **variables,
        )
        return subprocess.check_output(
            [TOOLS / script, *arguments],
            cwd=tmp_path,
            text=True,
            env=environment,
        ).splitlines()

    return run


def after(words: list, option: str) -> str:
    return words[words.index(option) + 1]


def test_dist_train(launch):
    words = launch('dist_train.sh', 'my config.py', '4', '--resume', '--amp')
    assert words[:2] == ['-m', 'torch.distributed.run']
    assert after(words, '--nproc-per-node') == '4'
    assert after(words, '--nnodes') == '1'
    assert after(words, '--master-port') == '1234'
    script = words.index(str(TOOLS / 'train.py'))
    assert words[script + 1 :] == [
        'my config.py',
        '--launcher',
        'pytorch',
        '--resume',
        '--amp',
    ]


def test_dist_test_on_several_machines(launch):
    words = launch(
        'dist_test.sh',
        'c.py',
        'x.pth',
        '8',
        '--work-dir',
        'out',
        NNODES='2',
        NODE_RANK='1',
        MASTER_ADDR='head',
    )
    assert after(words, '--nnodes') == '2'
    assert after(words, '--node-rank') == '1'
    assert after(words, '--master-addr') == 'head'
    script = words.index(str(TOOLS / 'test.py'))
    assert words[script + 1 :] == [
        'c.py',
        'x.pth',
        '--launcher',
        'pytorch',
        '--work-dir',
        'out',
    ]


@pytest.mark.parametrize(
    'script, arguments',
    [('dist_train.sh', ['c.py', '2']), ('dist_test.sh', ['c.py', 'x', '2'])],
)
def test_a_port_that_is_taken(tmp_path, script, arguments):
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [TOOLS / script, *arguments],
            text=True,
            stderr=subprocess.PIPE,
            env=dict(os.environ, PORT=port, PYTHON=sys.executable),
        )
    assert done.returncode == 2
    assert f'error: port {port} cannot be used' in done.stderr
    assert 'Set PORT' in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.parametrize('gpus, per_node', [('2', '2'), ('16', '8')])
def test_slurm_train(launch, gpus, per_node):
    words = launch(
        'slurm_train.sh',
        'part',
        'job',
        'c.py',
        'out',
        '--resume',
        GPUS=gpus,
        SRUN_ARGS='--quotatype auto',
    )
    assert after(words, '--partition') == 'part'
    assert after(words, '--ntasks') == gpus
    assert after(words, '--gres') == f'gpu:{per_node}'
    assert after(words, '--quotatype') == 'auto'
    script = words.index(str(TOOLS / 'train.py'))
    assert words[script + 1 :] == [
        'c.py',
        '--work-dir',
        'out',
        '--launcher',
        'slurm',
        '--resume',
    ]


@pytest.mark.parametrize('script', ['slurm_train.sh', 'slurm_test.sh'])
def test_slurm_jobs_have_ports_of_their_own(launch, tmp_path, script):
    for _ in range(4):
        launch(script, 'part', 'job', 'c.py', 'x')
    launch(script, 'part', 'job', 'c.py', 'x', MASTER_PORT='1234')
    *drawn, given = map(int, (tmp_path / 'ports').read_text().split())
    assert given == 1234 and len(set(drawn)) > 1
    assert all(1024 < port < 32768 for port in drawn)


def test_slurm_test(launch):
    words = launch('slurm_test.sh', 'part', 'job', 'c.py', 'x.pth')
    script = words.index(str(TOOLS / 'test.py'))
    assert words[script + 1 :] == ['c.py', 'x.pth', '--launcher', 'slurm']


@pytest.mark.parametrize(
    'script, usage',
    [
        ('dist_train.sh', 'CONFIG PROCESSES'),
        ('dist_test.sh', 'CONFIG CHECKPOINT PROCESSES'),
        ('slurm_train.sh', 'PARTITION JOB_NAME CONFIG WORK_DIR'),
        ('slurm_test.sh', 'PARTITION JOB_NAME CONFIG CHECKPOINT'),
    ],
)
def test_too_few_arguments(script, usage):
    done = subprocess.run(
        [TOOLS / script, 'c.py'], text=True, stderr=subprocess.PIPE
    )
    assert done.returncode == 2 and usage in done.stderr
