"""tools/analysis/embedding_error.py: what it asks of a config."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/analysis/embedding_error.py'


@pytest.mark.parametrize('splits', ['', 'splits = dict(val=dict())'])
def test_a_config_without_its_splits_is_refused(tmp_path, splits):
    config = tmp_path / 'config.py'
    config.write_text(f'{splits}\n')
    done = subprocess.run(
        [sys.executable, TOOL, config], capture_output=True, text=True
    )
    assert done.returncode == 2
    (*_, line) = done.stderr.splitlines()
    assert 'splits must have val and test' in line and "'test'" in line
    assert ("'val'" in line) == (not splits)
