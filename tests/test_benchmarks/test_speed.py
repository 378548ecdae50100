"""benchmarks.speed: what it measures is what it reports."""

import pytest
import torch

from benchmarks import speed


def test_the_peak_is_what_is_held_at_a_time():
    def run():
        a = torch.empty(3_000_000, dtype=torch.uint8)
        b = torch.empty(2_000_000, dtype=torch.uint8)
        del a, b
        torch.empty(4_000_000, dtype=torch.uint8)

    assert speed.peak_bytes(run, 'cpu') == pytest.approx(5e6, rel=0.01)


def test_times_are_relative_to_their_unit():
    rows = [
        dict(where='a', what='l1', time=2.0),
        dict(where='a', what='FreeKD', time=3.0),
    ]
    assert [r['time'] for r in speed.relative(rows, 'l1')] == [1.0, 1.5]


def test_a_loss_that_does_not_exist_is_an_error():
    with pytest.raises(SystemExit, match='MODULE:NAME'):
        speed.by_path('nowhere:Loss', 'cpu')


@pytest.mark.slow
def test_both_tables_on_tiny_models(tmp_path, capsys):
    path = tmp_path / 'speed.json'
    speed.main(['--quick', '--rounds', '1', '--results', str(path)])
    out = capsys.readouterr().out
    for name in ('l1', 'floor', 'student alone', 'FreeKD paper'):
        assert f'| {name} |' in out
    assert path.is_file()
