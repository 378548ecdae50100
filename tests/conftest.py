"""Fixtures for all tests."""
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

# references.py and tiny_models.py are imported from every folder below
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, run alone or not."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
