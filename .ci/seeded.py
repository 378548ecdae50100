"""The seeds of tests/conftest.py, where OpenMMLab is not installed."""

import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, run alone or not."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
