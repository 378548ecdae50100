"""tools/test_robustness.py: rows, resuming, tables and mistakes."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmfreekd.errors import UsageError

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
CELLS = [('clean', 0), ('fog', 1), ('fog', 5), ('snow', 1), ('snow', 5)]


@pytest.fixture()
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import test_robustness

    yield test_robustness
    # pytest would take this file for the tool
    sys.modules.pop('test_robustness')


@pytest.fixture()
def parts(tool):
    """The modules behind the tool."""
    from robustness import evaluation, report

    return SimpleNamespace(evaluation=evaluation, report=report)


def test_a_row_cut_off_by_a_kill_is_written_again(parts, tmp_path):
    path = tmp_path / 'new' / 'rows.jsonl'
    read, add = parts.evaluation.read_rows, parts.evaluation.add_row

    def row(severity, value, model='m'):
        metrics = dict(mIoU=value)
        where = dict(corruption='fog', severity=severity)
        return dict(model=model, metrics=metrics, **where)

    for content in (row(1, 0.5), row(1, 0.9, 'other'), row(2, 0.6)):
        add(path, content)
    path.write_text(path.read_text()[:-20])
    assert read(path, 'm') == {('fog', 1): dict(mIoU=0.5)}
    add(path, row(2, 0.7))
    assert read(path, 'm')['fog', 2] == dict(mIoU=0.7)
    assert len(read(path, 'm')) == 2


def test_a_fingerprint_changes_with_weights_config_and_seed(parts, tmp_path):
    def fingerprint(weights='a', seed=0, **cfg):
        (tmp_path / 'best.pth').write_text(weights)
        cfg = Config(dict(model=dict(type='A'), load_from='', **cfg))
        cfg.load_from = str(tmp_path / 'best.pth')
        return parts.evaluation.fingerprint(cfg, seed)

    assert fingerprint() == fingerprint(work_dir='elsewhere')
    others = [
        fingerprint(weights='b'),
        fingerprint(seed=1),
        fingerprint(test_dataloader=dict(dataset='x')),
    ]
    assert len({fingerprint(), *others}) == 4


class Runner:
    """Records its evaluations; fails or finds nothing when requested."""

    rank = 0

    def __init__(self, fail_at=None, blind_from=9):
        self.done, self.fail_at = [], fail_at
        self.blind_from = blind_from

    def evaluate(self, runner, cfg, cell, seed):
        assert runner is self
        if len(self.done) == self.fail_at:
            raise KeyboardInterrupt
        self.done.append(cell)
        if cell[1] >= self.blind_from:
            return {}
        return dict(mIoU=90.0 - 10 * cell[1])


def evaluate_all(parts, monkeypatch, path, runner):
    monkeypatch.setattr(parts.evaluation, 'build_runner', lambda cfg: runner)
    monkeypatch.setattr(parts.evaluation, 'evaluate', runner.evaluate)
    cfg = Config(dict(load_from='a.pth'))
    return parts.evaluation.evaluate_all(cfg, 'a', CELLS, 0, path)


def test_what_was_finished_is_not_repeated(
    parts, monkeypatch, tmp_path, capsys
):
    path = tmp_path / 'rows.jsonl'
    with pytest.raises(KeyboardInterrupt):
        evaluate_all(parts, monkeypatch, path, Runner(fail_at=3))
    assert len(path.read_text().splitlines()) == 3
    assert 'a [3/5, 0 min left] fog 5: mIoU 40' in capsys.readouterr().out
    second = Runner()
    results = evaluate_all(parts, monkeypatch, path, second)
    assert second.done == CELLS[3:]
    assert results == {c: dict(mIoU=90.0 - 10 * c[1]) for c in CELLS}
    third = Runner(fail_at=0)
    assert evaluate_all(parts, monkeypatch, path, third) == results


def test_nothing_detected_is_zero(parts, monkeypatch, tmp_path):
    path = tmp_path / 'rows.jsonl'
    results = evaluate_all(parts, monkeypatch, path, Runner(blind_from=5))
    assert results['fog', 1] == dict(mIoU=80.0)
    assert results['fog', 5] == results['snow', 5] == dict(mIoU=0.0)


def test_nothing_detected_in_clean_images_is_a_mistake(
    parts, monkeypatch, tmp_path
):
    path = tmp_path / 'rows.jsonl'
    with pytest.raises(UsageError, match='a.pth.*nothing was detected'):
        evaluate_all(parts, monkeypatch, path, Runner(blind_from=0))


@pytest.mark.parametrize('wrapped', [False, True])
def test_the_corruption_stands_behind_the_image(parts, wrapped):
    steps = ['mmdet.LoadImageFromFile', 'Resize', 'LoadAnnotations']
    dataset = dict(pipeline=[dict(type=step) for step in steps])
    loader = dict(dataset=dataset, batch_size=1)
    if wrapped:
        loader = dict(dataset=dict(type='ConcatDataset', datasets=[dataset]))
    added = parts.evaluation.add_corruption(loader, dict(type='C'))
    assert added == 1
    assert [s['type'] for s in dataset['pipeline']] == [
        steps[0],
        'C',
        *steps[1:],
    ]


def test_a_pipeline_without_images_is_an_error(parts):
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='Features'))))
    with pytest.raises(UsageError, match='LoadImageFromFile'):
        parts.evaluation.evaluate(None, cfg, ('fog', 1), 0)


def scores(clean, *values):
    return dict(zip(CELLS, (clean, *values)))


def test_mpc_and_rpc(parts):
    summary = parts.report.summary(scores(0.4, 0.3, 0.1, 0.2, 0.0))
    assert summary == pytest.approx((0.4, 0.15, 37.5))


def test_the_report_compares_models(parts):
    text = parts.report.report(
        'coco/bbox_mAP',
        dict(
            alone=scores(0.4, 0.3, 0.1, 0.2, 0.0),
            freekd=scores(0.5, 0.4, 0.2, 0.3, 0.1),
        ),
    )
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    for line in (
        ['coco/bbox_mAP', 'alone', 'freekd'],
        ['clean', '0.400', '0.500'],
        ['mPC', '0.150', '0.250'],
        ['rPC, %', '37.5', '50.0'],
        ['fog', '0.200', '0.300'],
        ['snow', '0.100', '0.200'],
        ['severity 1', '0.250', '0.350'],
        ['severity 5', '0.050', '0.150'],
    ):
        assert line in cells


@pytest.mark.parametrize(
    'metrics, wanted, expected',
    [
        (['aAcc', 'mIoU'], None, 'mIoU'),
        (['coco/segm_mAP', 'coco/bbox_mAP'], None, 'coco/bbox_mAP'),
        (['pascal_voc/mAP', 'x'], None, 'pascal_voc/mAP'),
        (['aAcc', 'mIoU'], 'aAcc', 'aAcc'),
    ],
)
def test_the_metric(parts, metrics, wanted, expected):
    metrics = dict.fromkeys(metrics, 0.0)
    assert parts.report.choose_metric(metrics, wanted) == expected


def test_an_unknown_metric_is_an_error(parts):
    with pytest.raises(UsageError, match='one of aAcc, mIoU'):
        parts.report.choose_metric(dict(aAcc=1, mIoU=1), 'AP')


def test_a_config_counts_for_the_checkpoints_after_it(tool, tmp_path):
    for name in 'abc':
        (tmp_path / f'{name}.pth').touch()
    a, b, c = (str(tmp_path / f'{name}.pth') for name in 'abc')
    pairs = tool.pairs_of(['s.py', a, b, 't.py', c])
    assert pairs == [('s.py', a), ('s.py', b), ('t.py', c)]


@pytest.mark.parametrize(
    'models, message',
    [
        (['a.pth'], "NAME.py was expected first, got 'a.pth'"),
        (['s.py'], "checkpoint was expected after 's.py'"),
        (['s.py', 't.py', 'a.pth'], "checkpoint was expected after 's.py'"),
        (['s.py', 'missing.pth'], "there is no 'missing.pth'"),
    ],
)
def test_mistakes_in_the_list_of_models(tool, models, message):
    with pytest.raises(UsageError, match=message):
        tool.pairs_of(models)


def test_groups_and_severities_choose_the_cells(tool):
    def cells(*options):
        return tool.cells_of(tool.parse_args(['s.py', 'a.pth', *options]))

    assert len(cells()) == 1 + 15 * 5
    chosen = cells('--corruptions', 'fog', 'blur', 'zoom_blur')
    assert len(chosen) == 1 + 5 * 5
    assert cells('--corruptions', 'fog', '--severities', '5', '1', '5') == [
        ('clean', 0),
        ('fog', 1),
        ('fog', 5),
    ]


def test_a_mistake_ends_in_one_line():
    done = subprocess.run(
        [sys.executable, TOOLS / 'test_robustness.py', 'a.pth'],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('error: a config file NAME.py was expected')
