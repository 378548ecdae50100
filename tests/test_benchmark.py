"""tools/benchmark.py: what it measures is what it says."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mmfreekd.errors import UsageError

TOOLS = Path(__file__).resolve().parents[1] / 'tools'


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    yield
    for name in [n for n in sys.modules if n.startswith('benchmark')]:
        del sys.modules[name]


@pytest.fixture
def losses():
    from benchmarking import losses

    return losses


@pytest.fixture
def measure():
    from benchmarking import measure

    return measure


def twice(s, t):
    return 2 * (s - t).abs().mean()


class Scaled(torch.nn.Module):
    def __init__(self, channels, scale=1.0):
        super().__init__()
        self.scale = scale * channels

    def forward(self, s, t):
        return self.scale * (s - t).abs().mean()


def megabytes(number):
    return torch.empty(number, 1000, 1000, dtype=torch.uint8)


def test_the_peak_is_what_is_held_at_a_time(measure):
    def run():
        a = megabytes(3)
        b = megabytes(2)
        del a
        c = megabytes(2)
        return b, c

    assert measure.peak_extra_bytes(run) == 5_000_000
    # inside an operator as well: what is sorted and where it stood
    x = torch.rand(250_000)
    peak = measure.peak_extra_bytes(lambda: x.sort())
    assert peak >= 3_000_000


def test_what_is_there_before_does_not_count(measure):
    held = [megabytes(7)]

    def run():
        held[:] = [megabytes(7)]

    assert measure.peak_extra_bytes(run) == 7_000_000


def test_things_are_run_in_turn_and_the_first_round_does_not_count(
    measure, monkeypatch
):
    order, clock = [], iter([0, 9, 9, 18, 18, 19, 19, 21, 21, 22, 22, 24])
    monkeypatch.setitem(measure.CLOCKS, 'wall', lambda: next(clock))
    seconds = measure.medians_in_turn(
        dict(a=lambda: order.append('a'), b=lambda: order.append('b')), 2
    )
    assert order == [*'ababab']
    assert seconds == dict(a=1, b=2)


def test_a_loss_is_named_by_its_import_path(losses):
    features = losses.Features(4, ((6, 5), (3, 3)))
    pyramids = features.make()
    l1 = losses.by_path('torch.nn.functional:l1_loss', features)(*pyramids)
    for path, factor in (
        (f'{__name__}:twice', 2),
        (f'{__name__}:Scaled:{{"channels": CHANNELS}}', 4),
        (f'{__name__}:Scaled:{{"channels": 1, "scale": 0.5}}', 0.5),
    ):
        assert_close(losses.by_path(path, features)(*pyramids), factor * l1)


@pytest.mark.parametrize(
    'path', ['nowhere:l1', 'torch:nothing', 'torch', f'{__name__}:Scaled:{{']
)
def test_a_loss_that_does_not_exist_is_named(losses, path):
    with pytest.raises(UsageError, match='named as module:name.*got'):
        losses.by_path(path, losses.Features(4, ((3, 3),)))


def test_the_literal_loss_is_the_official_one(losses):
    features = losses.Features(8, ((26, 38), (13, 19)))
    results = []
    for loss in (
        losses.freekd(features, 'official'),
        losses.LiteralOfficial(features),
    ):
        student, teacher = features.make()
        value = loss(student, teacher)
        results.append((value, *torch.autograd.grad(value, student)))
    assert_close(*results, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize('preset', ['official', 'paper', 'recommended'])
def test_freekd_keeps_one_copy_of_the_feature(losses, measure, preset):
    # backward included; without it the literal loss takes 14 copies
    features = losses.Features(64, ((64, 96), (32, 48)))
    loss = losses.freekd(features, preset, position_gate=None)
    student, teacher = features.make()

    def run():
        loss(student, teacher).backward()
        for s in student:
            s.grad = None

    copy = sum(s.nbytes for s in student)
    assert measure.peak_extra_bytes(run) < 1.3 * copy


def arguments(**changes):
    usual = dict(loss=[], only=[], quick=True, repeats=1, clock='wall')
    return Namespace(**dict(usual, **changes))


def test_the_tables_of_the_loss(capsys):
    import benchmark
    from benchmarking import tables

    rows = tables.loss(arguments(loss=[f'{__name__}:twice']))
    by_name = {row['loss']: row for row in rows}
    assert by_name['l1']['time'] == 1
    assert {'mse', 'CWD', 'PKD', 'MGD', 'FreeKD paper'} <= by_name.keys()
    assert by_name[f'{__name__}:twice']['value'] == pytest.approx(
        2 * by_name['l1']['value']
    )
    assert by_name['FreeKD official']['value'] == pytest.approx(
        by_name['FreeKD official, literally']['value'], rel=1e-5
    )
    assert all(row['memory'] > 0 for row in rows)
    rows = tables.loss(arguments(only=['mse', 'paper']))
    assert [row['loss'] for row in rows] == [
        'l1',
        'mse',
        'FreeKD paper',
        'FreeKD paper, no position weight',
    ]
    scaling = tables.scaling(arguments())
    assert [row['levels'] for row in scaling] == [3, 4]
    text = benchmark.markdown(scaling)
    assert text.splitlines()[0].startswith('| batch | height | channels |')


def test_a_distillations_checkpoint_holds_student_and_connectors():
    from benchmarking import pairs

    (pair,) = pairs.QUICK.values()
    steps = pairs.steps_of(pair)
    for step in steps.values():
        step()
    alone = steps['student alone'].checkpoint_bytes()
    for preset in pairs.PRESETS:
        step = steps[f'FreeKD {preset}']
        connectors = step.model.distiller.connectors.parameters()
        # weights and their momentum; names and counters are the rest
        added = 2 * sum(p.nbytes for p in connectors)
        assert step.checkpoint_bytes() - alone < added + 20_000


def test_every_step_sees_images_of_the_same_size():
    from benchmarking import pairs
    from torch.nn.modules.module import register_module_forward_pre_hook

    seen = []

    def note(module, inputs):
        if type(module).__name__ == 'ResNetV1c':
            seen.append(tuple(inputs[0].shape))

    pair = pairs.PAIRS['PSPNet R101 -> R18']._replace(size=64)
    steps = pairs.steps_of(pair)
    with register_module_forward_pre_hook(note):
        for step in steps.values():
            step()
    assert len(seen) == 2 * len(steps) - 1  # one has no teacher
    assert set(seen) == {(2, 3, 64, 64)}


@pytest.mark.slow
@pytest.mark.extra
def test_one_command_prints_and_saves_all_tables(tmp_path, capsys):
    import benchmark

    out = tmp_path / 'folder' / 'benchmark.json'
    command = ['--quick', '--repeats', '1', '--threads', '1', '--out']
    benchmark.main([*command, str(out)])
    report = json.loads(out.read_text())
    assert report['tables'].keys() == {*benchmark.TABLES}
    assert all(report['tables'].values())
    assert report['machine']['threads'] == 1
    said = capsys.readouterr().out
    assert '| student alone |' in said and f'saved: {out}' in said


def test_numbers_have_to_be_positive(tmp_path):
    import benchmark

    args = benchmark.parse_args(['--repeats', '0'])
    with pytest.raises(UsageError, match='at least 1, got 0'):
        benchmark.benchmark(args)
