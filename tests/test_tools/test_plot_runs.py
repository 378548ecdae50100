"""tools/analysis/plot_runs.py: what it reads and draws."""

import json
from pathlib import Path

import pytest

from mmfreekd.errors import UsageError

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture()
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / 'analysis'))
    import plot_runs

    return plot_runs


def log(work_dir, started, *rows):
    folder = work_dir / started / 'vis_data'
    folder.mkdir(parents=True)
    lines = '\n'.join(json.dumps(row) for row in rows)
    (folder / 'scalars.json').write_text(lines)
    return str(work_dir)


def test_a_resumed_run_is_one_curve(tool, tmp_path):
    log(tmp_path, '1', *(dict(step=i, loss=9.0 - i) for i in range(4)))
    run = log(tmp_path, '2', *(dict(step=i, loss=1.0 * i) for i in (2, 5)))
    assert tool.read_run(run) == dict(loss={0: 9, 1: 8, 2: 2, 3: 6, 5: 5})


def test_a_student_goes_beside_one_trained_alone(tool, tmp_path):
    alone = log(tmp_path / 'a', '1', dict(step=1, loss_cls=2, time=1))
    freekd = log(tmp_path / 'b', '1', {'step': 1, 'student.loss_cls': 3})
    assert tool.read_run(alone) == dict(loss_cls={1: 2})
    assert tool.read_run(freekd) == dict(loss_cls={1: 3})


def test_losses_come_first_and_rates_are_left_out(tool):
    runs = [dict(lr={}, mIoU={}, loss={}), {'aux.loss': {}, 'base_lr': {}}]
    assert tool.choose_keys(runs) == ['aux.loss', 'loss', 'mIoU']
    assert tool.choose_keys(runs, ['lr']) == ['lr']
    with pytest.raises(UsageError, match="got 'AP'"):
        tool.choose_keys(runs, ['AP'])


def test_the_metric_of_a_size_that_no_object_has_is_left_out(tool):
    runs = [dict(mAP_l={1: -1, 2: -1}, mAP_s={1: -1, 2: 0.3})]
    assert tool.choose_keys(runs) == ['mAP_s']
    assert tool.choose_keys(runs, ['mAP_l']) == ['mAP_l']


def test_single_bands_are_drawn_where_they_are_asked_for(tool):
    bands = [f'loss_freekd/pyramid0/level{i}' for i in (1, 2)]
    runs = [dict.fromkeys(['coco/bbox_mAP', *bands], {})]
    assert tool.choose_keys(runs) == ['coco/bbox_mAP']
    pattern = 'loss_freekd/pyramid0/*'
    assert tool.choose_keys(runs, [bands[1], pattern]) == bands[::-1]
    with pytest.raises(UsageError, match='pyramid1'):
        tool.choose_keys(runs, ['loss_freekd/pyramid1/*'])


def test_a_panel_for_each_key_and_a_line_for_each_run(tool):
    runs = dict(
        alone=dict(loss={1: 3.0, 2: 1.0}),
        freekd=dict(loss={1: 2.0, 2: 1.0}, mIoU={2: 70.0}),
    )
    figure = tool.draw(runs, ['loss', 'mIoU'], (3, 2))
    first, second = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ['loss', 'mIoU']
    drawn = [line.get_ydata().tolist() for line in first.lines]
    assert drawn == [[3.0, 1.0], [2.0, 1.0]]
    assert second.lines[-1].get_ydata().tolist() == [70.0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ['alone', 'freekd']


def test_a_folder_without_a_run_is_an_error(tool, tmp_path):
    with pytest.raises(UsageError, match='give the work_dir'):
        tool.read_run(str(tmp_path))
