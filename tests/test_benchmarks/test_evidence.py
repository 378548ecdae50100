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
CONFIGS = ROOT / 'configs' / 'experiments'
PAIRS = ('pspnet', 'reppoints', 'retinanet')


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


@pytest.mark.parametrize('pair', PAIRS)
def test_every_method_has_a_config_and_what_it_needs(pair):
    from benchmarks.methods import CANDIDATES, SHARE_OF
    from benchmarks.prerequisites import makers
    from benchmarks.tasks import DISTILLED, DRAWN, config_of, with_config

    (task,) = [task for task, name in DRAWN.items() if name == pair]
    distilled = with_config(task, DISTILLED)
    # FreeKD has nothing beside its loss there that PKD could be given
    lacks = {*SHARE_OF, *CANDIDATES}
    if pair == 'reppoints':
        lacks.add('pkd_aided')
    assert set(DISTILLED) - set(distilled) == lacks
    for method in ('teacher', 'student', *distilled):
        cfg = Config.fromfile(config_of(task, method))
        assert {'val', 'test', 'test_corrupted'} <= cfg.splits.keys()
    configs = [(config_of(task, method), {}) for method in distilled]
    needed = makers(configs)
    order = [Path(config).stem for config in needed.values()]
    teacher = Path(config_of(task, 'teacher'))
    assert order[0] == teacher.stem
    assert f'prompt_{pair}_textures' in order
    iters = Config.fromfile(str(teacher)).max_iters
    assert list(needed)[0] == f'work_dirs/{teacher.stem}/iter_{iters}.pth'


@pytest.mark.parametrize('pair', PAIRS)
def test_weights_are_chosen_on_shorter_trainings(pair):
    from benchmarks.loss_weights import length_options, weight_options
    from benchmarks.tasks import DRAWN, config_of

    (task,) = [task for task, name in DRAWN.items() if name == pair]
    cfg = Config.fromfile(config_of(task, 'freekd'))
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


@pytest.mark.parametrize('pair', PAIRS)
def test_methods_share_data_schedule_and_student(pair):
    from benchmarks.tasks import DISTILLED, DRAWN, config_of, with_config

    (task,) = [task for task, name in DRAWN.items() if name == pair]
    alone = Config.fromfile(config_of(task, 'student'))
    for method in with_config(task, DISTILLED):
        cfg = Config.fromfile(config_of(task, method))
        assert cfg.model.architecture == alone.model
        for key in ('train_dataloader', 'optim_wrapper', 'train_cfg'):
            assert cfg[key] == alone[key]
        assert cfg.param_scheduler == alone.param_scheduler


@pytest.mark.parametrize('task', ['seg-camvid', 'det-cells'])
def test_methods_on_real_images_differ_in_the_loss_alone(task):
    from benchmarks.runs import load
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


def test_no_config_for_what_is_needed_is_an_error(tmp_path):
    from benchmarks.prerequisites import makers

    path = tmp_path / 'deep' / 'config.py'
    path.parent.mkdir()
    path.write_text("model = dict(teacher_ckpt='work_dirs/nobody/a.pth')")
    with pytest.raises(FileNotFoundError, match=r'nobody\.py'):
        makers([(str(path), {})])


def test_a_fingerprint_does_not_tell_where_the_clone_lies(monkeypatch):
    from benchmarks import runs

    def fingerprint_in(root):
        monkeypatch.setattr(runs, 'ROOT', root)
        teacher = dict(cfg_path=f'{root}/teacher.py', list=[*range(20)])
        return runs.fingerprint(Config(dict(teacher=teacher)))

    assert fingerprint_in('/a') == fingerprint_in('/a/much/longer/path' * 4)


def test_a_fingerprint_tells_what_a_preset_changes(monkeypatch):
    from benchmarks import runs

    def fingerprint(preset):
        return runs.fingerprint(Config(dict(preset=preset)))

    before = fingerprint('official'), fingerprint('recommended')
    changed = dataclasses.replace(runs.PRESETS['recommended'], levels=2)
    monkeypatch.setitem(runs.PRESETS, 'recommended', changed)
    assert fingerprint('official') == before[0]
    assert fingerprint('recommended') != before[1]


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
    assert sorted(out.split()) == [b'a', b'b']
    assert len([*tmp_path.glob('*_runs')]) == 2


SMALL = """
_base_ = '{base}'
make_data = 'cityscapes data --scene textured --size 64 64 --num-train 8 \
--num-val 4 --num-test 4 --corrupt'
max_iters = 2
model = dict({model})
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
        ('teacher', 'pspnet_r18w32_textures', ''),
        ('alone', 'pspnet_r18w16_textures', ''),
        ('fkd', 'fkd_pspnet_textures', distill),
    ):
        text = SMALL.format(
            base=CONFIGS / 'pspnet' / f'{base}.py', model=model
        )
        (tmp_path / f'{name}.py').write_text(text)
    return tmp_path


def compare(folder):
    return subprocess.run(
        [sys.executable, '-m', 'benchmarks.compare', 'alone.py', 'fkd.py']
        + ['--seeds', '0', '1', '--results', 'rows.json'],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )


def test_compare_makes_what_is_needed_runs_once_and_tells(small):
    first = compare(small)
    assert first.returncode == 0, first.stderr
    assert (small / 'work_dirs/teacher/iter_2.pth').is_file()
    rows = json.loads((small / 'rows.json').read_text())
    assert {(row['config'], row['seed']) for row in rows} == {
        (config, seed) for config in ('alone', 'fkd') for seed in (0, 1)
    }
    table = first.stdout[first.stdout.index('| config') :]
    mean = statistics.fmean(r['value'] for r in rows if r['config'] == 'fkd')
    assert f'| fkd | {mean:.1f} ±' in table
    again = compare(small)
    assert again.returncode == 0, again.stderr
    assert again.stdout.endswith(table)
    assert 'seed' not in again.stdout.split('Mean')[0]
    assert json.loads((small / 'rows.json').read_text()) == rows


def test_the_readme_shows_the_tables_of_the_committed_rows():
    from benchmarks.evidence_table import evidence_tables

    rows = json.loads((ROOT / 'results' / 'evidence.json').read_text())
    assert evidence_tables(rows).strip() in (ROOT / 'README.md').read_text()
