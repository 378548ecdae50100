"""tools/analysis/embedding_error.py: what it asks of a config."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/analysis/embedding_error.py'
SPLITS = 'splits = dict(val=dict(), test=dict())'


def refusal(tmp_path, text: str) -> str:
    """What the tool says to a config."""
    config = tmp_path / 'config.py'
    config.write_text(f'{text}\n')
    done = subprocess.run(
        [sys.executable, TOOL, config], capture_output=True, text=True
    )
    assert done.returncode == 2
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize('splits', ['', 'splits = dict(val=dict())'])
def test_a_config_without_its_splits_is_refused(tmp_path, splits):
    line = refusal(tmp_path, splits)
    assert 'splits must have val and test' in line and "'test'" in line
    assert ("'val'" in line) == (not splits)


def test_a_student_with_a_neck_is_refused(tmp_path):
    """Its backbone alone was compared with the teacher's embedding."""
    model = dict(
        distiller=dict(
            student_recorders=dict(embedding=dict(source='neck')),
            teacher_recorders=dict(embedding=dict(source='backbone')),
            distill_losses=dict(loss_kd={}),
        )
    )
    line = refusal(tmp_path, f'{SPLITS}\nmodel = {model}')
    assert "['loss_kd'] between ['backbone', 'neck']" in line
