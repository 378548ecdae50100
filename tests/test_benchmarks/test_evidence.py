"""The experiments: statistics, what is kept, what is made first."""

import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'benchmarks' / 'configs'
RESULTS = ROOT / 'benchmarks' / 'results'
TASKS = ('seg-pspnet', 'det-reppoints', 'det-retinanet')


def test_mean_and_standard_error():
    from benchmarks.tables import mean_and_error

    values = [1.0, 2.0, 4.0, 9.0]
    mean, error = mean_and_error(values)
    assert mean == 4
    spread = math.sqrt(sum((v - 4) ** 2 for v in values) / 3)
    assert error == pytest.approx(spread / 2)
    assert math.isnan(mean_and_error([5.0])[1])


def test_differences_are_paired_by_seed():
    from benchmarks.tables import paired_difference

    ours, theirs = {0: 5.0, 1: 9.0, 7: 100.0}, {1: 6.0, 0: 4.0, 8: -50.0}
    mean, error = paired_difference(ours, theirs)
    assert mean == 2
    assert error == pytest.approx(statistics.stdev([1, 3]) / math.sqrt(2))


def test_rows_outlive_the_process_and_replace_their_like(tmp_path):
    from benchmarks.rows import Results

    path = tmp_path / 'new' / 'rows.json'
    rows = Results(path)
    rows.put(dict(method='a', seed=0), value=1)
    rows.put(dict(method='a', seed=1), value=2)
    rows.put(dict(method='a', seed=0), value=3)
    again = Results(path)
    assert len(again.rows) == 2
    assert again.find(method='a', seed=0)['value'] == 3
    assert again.find(method='b') is None
    assert not list(path.parent.glob('*.part'))


def test_the_table_says_what_the_rows_say():
    from benchmarks.evidence_table import evidence_tables

    values = dict(teacher=[60], student=[40, 42], pkd=[50, 50])
    values['freekd'] = [52, 54]
    rows = [
        dict(
            task='seg-pspnet',
            method=method,
            seed=seed,
            metric='mIoU',
            value=value / (2 if corrupted else 1),
            corrupted=corrupted,
        )
        for method, of_method in values.items()
        for seed, value in enumerate(of_method)
        for corrupted in (False, True)
    ]
    lines = evidence_tables(rows).splitlines()
    (pkd,) = [line for line in lines if line.startswith('| PKD')]
    # alone 41, teacher 60: PKD closes 9 of 19
    assert re.split(r' *\| *', pkd)[2:-1] == [
        '2',
        '50.0 ± 0.0',
        '+9.0 ± 1.0',
        '+3.0 ± 1.0',
        '47 %',
        '25.0 ± 0.0',
        '50 %',
    ]


@pytest.mark.parametrize('name', ['evidence', 'tuning'])
def test_committed_rows_belong_to_the_configs_as_they_are(name):
    """A row is found again as long as nothing changes its result."""
    from benchmarks.rows import Results
    from benchmarks.tasks import DRAWN, fingerprint_of

    rows = Results(RESULTS / f'{name}.json')
    seen = {(r['task'], r['method']) for r in rows.rows if r['task'] in DRAWN}
    assert len(seen) >= 29
    for task, method in seen:
        mark = fingerprint_of(task, method)
        found = rows.find(task=task, method=method, fingerprint=mark)
        assert found is not None, (task, method)


@pytest.mark.parametrize('pair', ['retinanet', 'pspnet'])
def test_rows_of_the_ablations_belong_to_the_table(pair):
    from benchmarks.configs import fingerprint, load
    from benchmarks.methods import ABLATIONS
    from benchmarks.rows import Results
    from benchmarks.tasks import methods_of, run_of

    rows = Results(RESULTS / 'ablations.json')
    (task,) = [t for t in TASKS if t.endswith(pair)]
    weight = {'retinanet': 0.569, 'pspnet': 20.6}[pair]
    short = {
        'train_cfg.max_iters': 240,
        'param_scheduler.1.end': 240,
        'model.distiller.distill_losses.loss_kd.loss_weight': weight,
    }
    names = {*ABLATIONS} & {*methods_of(task)}
    for name in ('freekd', *names):
        config, options = run_of(f'{task}:{name}')
        mark = fingerprint(load(config, {**options, **short}, 0))
        if rows.find(fingerprint=mark, split='val') is None:
            names.discard(name)
    assert len(names) >= 18


@pytest.mark.parametrize('task', TASKS)
def test_weights_are_chosen_on_shorter_trainings(task):
    from benchmarks.configs import load
    from benchmarks.loss_weights import length_options, weight_options
    from benchmarks.tasks import config_of, options_of

    options = options_of(task, 'freekd')
    cfg = load(config_of(task, 'freekd'), options, 0)
    whole = cfg.max_iters
    boxes = cfg.model.distiller.distill_losses.get('loss_boxes')
    cfg.merge_from_dict(length_options(task, 0.25))
    assert cfg.train_cfg.max_iters == whole // 4
    assert cfg.param_scheduler[-1].end == whole // 4
    cfg.merge_from_dict(weight_options(task, 'freekd', 7.0))
    losses = cfg.model.distiller.distill_losses
    assert losses.loss_kd.loss_weight == 7
    # the recipe's own loss keeps its weight
    assert losses.get('loss_boxes') == boxes


@pytest.mark.parametrize('task', TASKS)
def test_methods_share_data_schedule_and_student(task):
    from benchmarks.configs import load
    from benchmarks.tasks import config_of, methods_of, options_of

    alone = Config.fromfile(config_of(task, 'student'))
    for method in methods_of(task)[1:]:
        cfg = load(config_of(task, method), options_of(task, method), 0)
        assert cfg.model.architecture == alone.model
        for key in ('train_dataloader', 'optim_wrapper', 'train_cfg'):
            assert cfg[key] == alone[key]
        assert cfg.param_scheduler == alone.param_scheduler


@pytest.mark.parametrize('task', ['seg-camvid', 'det-cells'])
def test_methods_on_real_images_differ_in_the_loss_alone(task):
    from benchmarks.configs import load
    from benchmarks.tasks import (
        DISTILLED,
        config_of,
        fingerprint_of,
        options_of,
        with_config,
    )

    methods = with_config(task, DISTILLED)
    alone = Config.fromfile(config_of(task, 'student'))
    shared = None
    for method in methods:
        cfg = load(config_of(task, method), options_of(task, method), 0)
        assert cfg.model.architecture == alone.model
        assert cfg.optim_wrapper == alone.optim_wrapper
        cfg.model.distiller.pop('distill_losses')
        if method == 'mgd':  # generates with a connector of its own
            cfg.model.distiller.connectors = shared.model.distiller.connectors
        shared = shared or cfg
        assert cfg.to_dict() == shared.to_dict()
    assert len({fingerprint_of(task, m) for m in methods}) == len(methods)


def test_a_teacher_that_nothing_makes_is_an_error(tmp_path):
    from benchmarks.prerequisites import teachers_of

    path = tmp_path / 'config.py'
    path.write_text("model = dict(teacher_ckpt='a.pth', teacher=dict())")
    with pytest.raises(FileNotFoundError, match='expected that file or'):
        teachers_of([(str(path), {})])


def fingerprint_with(**options):
    from benchmarks.configs import fingerprint, load
    from benchmarks.tasks import run_of

    config, own = run_of('seg-pspnet:freekd')
    return fingerprint(load(config, {**own, **options}, 0))


@pytest.mark.parametrize(
    'key, value',
    [
        ('custom_hooks', []),
        ('default_hooks.checkpoint.interval', 7),
        ('model.teacher_ckpt', 'elsewhere/iter_9.pth'),
    ],
)
def test_a_fingerprint_ignores_what_results_do_not_depend_on(key, value):
    assert fingerprint_with(**{key: value}) == fingerprint_with()


@pytest.mark.parametrize(
    'key, value',
    [
        ('model.distiller.distill_losses.loss_kd.preset.levels', 2),
        ('model.distiller.connectors.align.kernel_size', 1),
        ('model.architecture.backbone.base_channels', 8),
        ('stage_1.max_iters', 7),
        ('stage_1.lr', 0.5),
        ('train_cfg.max_iters', 7),
        ('optim_wrapper.optimizer.lr', 0.5),
        ('train_dataloader.batch_size', 7),
    ],
)
def test_a_fingerprint_tells_what_results_depend_on(key, value):
    assert fingerprint_with(**{key: value}) != fingerprint_with()


def test_a_fingerprint_tells_what_a_preset_changes(monkeypatch):
    from mmfreekd import presets

    before = fingerprint_with()
    changed = dataclasses.replace(presets.RECOMMENDED, normalize=False)
    monkeypatch.setitem(presets.PRESETS, 'recommended', changed)
    assert fingerprint_with() != before


SLOW_JOBS = """
import signal
import time
from pathlib import Path
from benchmarks.pool import Job, run_jobs

def slow(name):
    Path(name + '_runs').touch()
    time.sleep(5)
    return name

if __name__ == '__main__':
    # what a shell starts in the background ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_jobs([Job(n, slow, dict(name=n), print) for n in 'abcdef'], workers=2)
"""


@pytest.mark.parametrize(
    'stop',
    [
        lambda pid: os.kill(pid, signal.SIGTERM),
        lambda pid: os.killpg(pid, signal.SIGINT),  # Ctrl-C at a terminal
    ],
    ids=['SIGTERM', 'Ctrl-C'],
)
def test_a_command_that_is_stopped_keeps_the_results_of_what_runs(
    stop, tmp_path
):
    script = tmp_path / 'slow_jobs.py'
    script.write_text(SLOW_JOBS)
    process = subprocess.Popen(
        [sys.executable, script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        start_new_session=True,
    )
    try:
        while len([*tmp_path.glob('*_runs')]) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        stop(process.pid)
        out, _ = process.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode
    # imports may print as well
    done = [word for word in out.split() if len(word) == 1]
    assert sorted(done) == [b'a', b'b']
    assert len([*tmp_path.glob('*_runs')]) == 2


SMALL = """
_base_ = '{base}'
make_data = 'cityscapes data --scene textured --size 64 64 --num-train 8 \
--num-val 4 --num-test 4 --corrupt'
max_iters = 2
model = dict({model})
stage_1 = dict(max_iters=2)
train_cfg = dict(max_iters=2)
train_dataloader = dict(batch_size=4, dataset=dict(data_root='data'))
val_dataloader = dict(dataset=dict(data_root='data'))
"""


@pytest.fixture
def small(tmp_path):
    """A pair of configs beside each other, two iterations each."""
    teacher = str(tmp_path / 'teacher.py')
    distill = (
        "teacher=dict(cfg_path='" + teacher + "'),"
        "teacher_ckpt='work_dirs/teacher/iter_2.pth'"
    )
    for name, base, model in (
        ('teacher', 'teacher', ''),
        ('alone', 'student', ''),
        ('freekd', 'distill', distill),
    ):
        text = SMALL.format(
            base=CONFIGS / 'pspnet' / f'{base}.py', model=model
        )
        (tmp_path / f'{name}.py').write_text(text)
    return tmp_path


def compare(folder):
    return subprocess.run(
        [sys.executable, '-m', 'benchmarks.compare', 'alone.py', 'freekd.py']
        + ['--seeds', '0', '1', '--results', 'rows.json'],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )


@pytest.mark.slow
def test_compare_makes_what_is_needed_runs_once_and_tells(small):
    first = compare(small)
    assert first.returncode == 0, first.stderr
    assert (small / 'work_dirs/teacher/iter_2.pth').is_file()
    assert len([*small.glob('work_dirs/evidence/prompts/*/prompts.pth')]) == 1
    rows = json.loads((small / 'rows.json').read_text())
    assert {(row['config'], row['seed']) for row in rows} == {
        (config, seed) for config in ('alone', 'freekd') for seed in (0, 1)
    }
    table = first.stdout[first.stdout.index('| config') :]
    ours = [r['value'] for r in rows if r['config'] == 'freekd']
    assert f'| freekd | {statistics.fmean(ours):.1f} ±' in table
    (small / 'rows.json').write_text(json.dumps(rows[:-1]))
    again = compare(small)
    assert again.returncode == 0, again.stderr
    assert again.stdout.endswith(table)
    assert again.stdout.count('1/1') == 1  # what is missing, nothing else


def test_the_docs_show_the_tables_of_the_committed_rows():
    from benchmarks.evidence_table import evidence_tables

    rows = json.loads((RESULTS / 'evidence.json').read_text())
    page = (ROOT / 'docs/evidence.md').read_text()
    assert evidence_tables(rows).strip() in page
