"""Fixtures for all tests."""

import os
import random
import sys
from pathlib import Path

# read when Triton is imported: kernels run on the CPU
os.environ.setdefault('TRITON_INTERPRET', '1')

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

ROOT = Path(__file__).parents[1]
loaded = sys.modules.get('mmfreekd')
if loaded and Path(loaded.__file__).parents[1] != ROOT:
    # the start-up file has imported the installed package: test the clone's
    for name in [n for n in sys.modules if n.startswith('mmfreekd')]:
        del sys.modules[name]
sys.path.insert(0, str(ROOT))
# references.py and tiny_models.py are imported from every folder below
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, run alone or not."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def without_leftovers():
    """What a Runner leaves behind for its process ends with the test."""
    managers = DefaultScope, MessageHub, MMLogger, Visualizer
    before = [manager._instance_dict.copy() for manager in managers]
    yield
    for manager, instances in zip(managers, before, strict=True):
        manager._instance_dict = instances
