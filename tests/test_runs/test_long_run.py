"""Two thousand iterations: memory stays flat, and no warning is repeated."""

import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from runs import FREEKD, ROOT, config_path

pytestmark = [pytest.mark.slow, pytest.mark.extra]
ITERS = 2000
CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=['memory_dump'])
custom_hooks = [
    dict(type='mmengine.MemoryDumpHook'),
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')]
train_cfg = dict(max_iters={iters}, val_interval={iters})
train_dataloader = dict(batch_size=2)
default_hooks = dict(checkpoint=dict(interval=500))
"""


def test_memory_stays_flat(workspace, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).parent))
    config = workspace.path / 'long.py'
    base = config_path(FREEKD['pspnet'])
    config.write_text(CONFIG.format(base=base, iters=ITERS))
    environment = {**workspace.environment}
    environment.pop('PYTHONWARNINGS')
    monkeypatch.setattr(
        type(workspace), 'environment', property(lambda self: environment)
    )
    out = workspace.run(
        sys.executable,
        ROOT / 'tools/train.py',
        config,
        '--work-dir',
        'long',
        timeout=3600,
    )
    memory = np.loadtxt(workspace.path / 'long/memory.txt')
    after_the_first = memory[memory[:, 0] >= 100, 1]
    growth = np.median(after_the_first[-10:]) / np.median(after_the_first[:10])
    megabytes = (memory[::10, 1] / 2**20).round(1).tolist()
    print(f'memory in MiB every 200 iterations: {megabytes}')
    print(f'it grew by {100 * (growth - 1):.2f} %')
    assert growth < 1.01
    warned = Counter(
        re.sub(r'^.*?(\w*Warning|WARNING)', r'\1', line)
        for line in out.splitlines()
        if 'Warning' in line or 'WARNING' in line
    )
    repeated = {line: n for line, n in warned.items() if n > 2}
    assert not repeated, os.linesep.join(map(str, repeated.items()))
