"""Several processes on the CPU, as dist_train.sh starts them."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import FREEKD, ROOT, config_path

pytestmark = pytest.mark.slow

# nothing in it depends on how a batch is divided, and nothing on chance
CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=['loss_dump'])
custom_hooks = [dict(type='mmengine.LossDumpHook')]
model = dict(architecture=dict(
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


def miou(log: str) -> str:
    line = [x for x in log.splitlines() if 'Iter(test)' in x][-1]
    return line.split('mIoU:')[1].split()[0]
