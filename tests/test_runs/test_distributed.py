"""Several processes on the CPU, as dist_train.sh starts them."""

import json
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import FREEKD, ROOT, config_path
from torch import nn

from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.models import FrequencyPrompt

pytestmark = pytest.mark.slow

# nothing in it depends on how a batch is divided, and nothing on chance
CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=['loss_dump'])
custom_hooks = [dict(type='mmengine.LossDumpHook')]
model = dict(distiller=dict(prompt_ckpt='prompts.pth'), architecture=dict(
    backbone=dict(norm_eval=True),
    decode_head=dict(norm_cfg=None, dropout_ratio=0,
                     loss_decode=dict(class_weight=None)),
    auxiliary_head=dict(norm_cfg=None, dropout_ratio=0,
                        loss_decode=dict(class_weight=None))))
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size={batch}, dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_iters=4, val_interval=4)
"""


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).parent))
    monkeypatch.setenv(
        'PATH', f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    )


def write_config(workspace, batch: int) -> Path:
    # the same for all, instead of a stage 1 of each
    torch.manual_seed(0)
    prompts = nn.ModuleList([FrequencyPrompt(256)])
    save_prompts(prompts, str(workspace.path / 'prompts.pth'))
    path = workspace.path / f'batch_{batch}.py'
    path.write_text(
        CONFIG.format(base=config_path(FREEKD['pspnet']), batch=batch)
    )
    return path


def losses(workspace, work_dir: str, processes: int) -> dict:
    """For each key its values, averaged over the processes."""
    rows = [
        [
            json.loads(line)
            for line in (
                workspace.path / work_dir / f'losses_{rank}.jsonl'
            ).open()
        ]
        for rank in range(processes)
    ]
    return {
        key: np.mean([[row[key] for row in rank] for rank in rows], 0)
        for key in rows[0][0]
        if 'loss' in key
    }


def test_two_processes_equal_one_with_the_same_batch(workspace, environment):
    workspace.run(
        sys.executable,
        ROOT / 'tools/train.py',
        write_config(workspace, 4),
        '--work-dir',
        'one_process',
    )
    out = workspace.run(
        'bash',
        ROOT / 'tools/dist_train.sh',
        write_config(workspace, 2),
        2,
        '--work-dir',
        'two_processes',
    )
    assert 'find_unused_parameters=True' not in out
    one = losses(workspace, 'one_process', 1)
    two = losses(workspace, 'two_processes', 2)
    assert one.keys() == two.keys()
    assert 'distill.loss_freekd' in one
    for key in one:
        np.testing.assert_allclose(
            two[key][0],
            one[key][0],
            rtol=1e-5,
            err_msg=f'{key}, first iteration',
        )
        # later ones go through the averaged gradients
        np.testing.assert_allclose(two[key], one[key], rtol=5e-3, err_msg=key)


def test_dist_test_evaluates_what_dist_train_wrote(workspace, environment):
    config = write_config(workspace, 2)
    workspace.run(
        'bash', ROOT / 'tools/dist_train.sh', config, 2, '--work-dir', 'dist'
    )
    arguments = [config, workspace.path / 'dist/iter_4.pth']
    two = workspace.run(
        'bash',
        ROOT / 'tools/dist_test.sh',
        *arguments,
        2,
        '--work-dir',
        'dist_test',
    )
    one = workspace.run(
        sys.executable,
        ROOT / 'tools/test.py',
        *arguments,
        '--work-dir',
        'dist_test',
    )
    assert 'mIoU' in one
    assert miou(two) == miou(one)


def test_accumulated_gradients_are_those_of_the_large_batch(
    workspace, environment
):
    changes = '\nparam_scheduler = []\nrandomness = dict(seed=0)\n'
    for batch, count in ((4, 1), (2, 2)):
        config = write_config(workspace, batch)
        config.write_text(
            config.read_text()
            + changes
            + f'optim_wrapper = dict(accumulative_counts={count})\n'
            + f'train_cfg = dict(max_iters={4 * count}, val_interval=99)\n'
        )
        workspace.run(
            sys.executable,
            ROOT / 'tools/train.py',
            config,
            '--work-dir',
            f'accumulated_{count}',
            timeout=900,
        )
    large = losses(workspace, 'accumulated_1', 1)
    small = losses(workspace, 'accumulated_2', 1)
    for key, values in large.items():
        halves = small[key].reshape(-1, 2).mean(1)
        np.testing.assert_allclose(halves, values, rtol=5e-3, err_msg=key)


def test_a_rank_that_fails_ends_the_job(workspace, environment):
    config = write_config(workspace, 2)
    config.write_text(
        config.read_text().replace('LossDumpHook', 'FailingHook')
    )
    start = time.time()
    out = workspace.run(
        'bash',
        ROOT / 'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        'failing',
        status=1,
    )
    failed = (workspace.path / 'failing/failed').stat().st_mtime
    assert start < failed and time.time() - failed < 60
    assert 'error: a number went wrong on rank 1' in out


def node(workspace, config, rank: int, port: int, *options):
    """One of two machines, both of them this one."""
    os.environ.update(NNODES='2', NODE_RANK=str(rank), PORT=str(port))
    return workspace.start(
        [
            'setsid',
            'bash',
            ROOT / 'tools/dist_train.sh',
            config,
            1,
            '--work-dir',
            'two_nodes',
            *options,
        ],
        f'node_{rank}.log',
    )


def kill_node(agent) -> None:
    """End torchrun and what it started, as a machine that fails does."""
    children = Path(f'/proc/{agent.pid}/task/{agent.pid}/children')
    for pid in (*children.read_text().split(), agent.pid):
        os.kill(int(pid), signal.SIGKILL)
    agent.wait()


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(('', 0))
        return any_port.getsockname()[1]


def test_a_node_that_is_killed_and_started_again(
    workspace, environment, monkeypatch
):
    for name in ('NNODES', 'NODE_RANK', 'PORT'):
        monkeypatch.setenv(name, '')  # to have them as before afterwards
    config = write_config(workspace, 2)
    config.write_text(
        config.read_text().replace('max_iters=4', 'max_iters=40')
        + 'default_hooks = dict(checkpoint=dict(interval=2))\n'
    )
    folder = workspace.path / 'two_nodes'
    port = free_port()
    nodes = [node(workspace, config, rank, port) for rank in (0, 1)]
    until = time.time() + 300
    while not (folder / 'iter_4.pth').exists():
        assert time.time() < until, (workspace.path / 'node_0.log').read_text()
        time.sleep(0.05)
    kill_node(nodes[1])
    assert nodes[0].wait(timeout=60) != 0
    ran = [len(rows(folder, rank)) for rank in (0, 1)]
    assert max(ran) < 40
    latest = int(
        re.search(
            r'\d+', (folder / 'last_checkpoint').read_text().split('/')[-1]
        )[0]
    )
    port = free_port()
    nodes = [node(workspace, config, r, port, '--resume') for r in (0, 1)]
    assert [n.wait(timeout=300) for n in nodes] == [0, 0]
    # what came after the checkpoint came again, with the same losses
    for rank in (0, 1):
        every = rows(folder, rank)
        assert len(every) == ran[rank] + 40 - latest
        before, after = every[latest : ran[rank]], every[ran[rank] :]
        for first, second in zip(before, after):
            assert first == pytest.approx(second, rel=1e-4)


def rows(folder, rank: int) -> list:
    path = folder / f'losses_{rank}.jsonl'
    return [json.loads(line) for line in path.read_text().splitlines()]


def miou(log: str) -> str:
    line = [x for x in log.splitlines() if 'Iter(test)' in x][-1]
    return line.split('mIoU:')[1].split()[0]
