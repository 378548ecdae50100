"""tools/test_robustness.py on real models and images."""

import json
import re
import sys

import pytest
from runs import ROOT, TEACHERS, config_path

pytestmark = pytest.mark.slow
METRICS = dict(reppoints='coco/bbox_mAP', pspnet='mIoU')
# an untrained detector is sure of nothing
OPTIONS = dict(reppoints='model.test_cfg.score_thr=0', pspnet='_=0')


@pytest.mark.parametrize('task', ['reppoints', 'pspnet'])
def test_clean_is_what_test_py_prints_and_nothing_runs_twice(workspace, task):
    config = config_path(TEACHERS[task])
    checkpoint = f'work_dirs/demo/{task}/teacher/iter_1000.pth'
    metric, out = METRICS[task], f'robust_{task}/rows.jsonl'
    options = ('--cfg-options', OPTIONS[task])
    command = [
        *(sys.executable, ROOT / 'tools/test_robustness.py'),
        *(config, checkpoint, '--out', out, '--severities', '1', '5'),
        *('--corruptions', 'contrast', 'frost', '--work-dir', 'robust'),
        *options,
    ]
    first = workspace.run(*command)
    assert '[5/5, 0 min left] frost 5' in first and 'Traceback' not in first
    lines = (workspace.path / out).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(r['corruption'], r['severity']) for r in rows] == [
        ('clean', 0),
        *(('contrast', 1), ('contrast', 5)),
        *(('frost', 1), ('frost', 5)),
    ]
    printed = workspace.run(
        *(sys.executable, ROOT / 'tools/test.py', config, checkpoint),
        *('--work-dir', 'clean', *options),
    )
    expected = re.findall(rf'{metric}: (\S+)', printed)[-1]
    assert rows[0]['metrics'][metric] == pytest.approx(
        float(expected), abs=1e-4
    )
    again = workspace.run(*command)
    assert 'min left' not in again
    assert again[again.index('| clean') :] == first[first.index('| clean') :]
