"""A short run of faults.py; by hand it takes a count and a seed."""

import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_killed_at_random_moments(workspace):
    said = workspace.run(
        sys.executable,
        Path(__file__).parent / 'faults.py',
        '--kills',
        4,
        '--seed',
        1,
        timeout=1200,
    )
    assert 'all identical to the undisturbed one' in said
    assert 'another half written' in said
