"""Whatever is in the folder on_fake_cuda, in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TESTS = Path(__file__).parent
FILES = sorted((TESTS / 'on_fake_cuda').glob('test_*.py'))


@pytest.mark.skipif(not shutil.which('g++'), reason='needs g++')
@pytest.mark.skipif(
    torch.version.cuda is not None, reason='this PyTorch has a guard for CUDA'
)
@pytest.mark.parametrize('file', FILES, ids=lambda file: file.stem)
def test_on_fake_cuda(file):
    path = os.pathsep.join([str(TESTS), os.environ.get('PYTHONPATH', '')])
    options = '-q -p fake_cuda -p no:xdist -p no:cacheprovider'.split()
    run = subprocess.run(
        [sys.executable, '-m', 'pytest', *options, str(file)],
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
        cwd=TESTS.parent,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout)
