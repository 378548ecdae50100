"""How the demo runs its steps: in order, once, and what is left of them."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def demo(monkeypatch, tmp_path):
    """The module, with steps that note that they ran."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import demo
    import demo_steps

    def step(name, needs=None, code='pass'):
        note = f'open({str(tmp_path / "ran")!r}, "a").write("{name} ")'
        return demo_steps.Step(
            name,
            tmp_path / name,
            [sys.executable, '-c', f'{code}; {note}'],
            needs=needs,
        )

    def steps_of(task):
        data = step(f'{task}-data')
        teacher = step(f'{task}-teacher', data, broken.get(task, 'pass'))
        return [data, teacher, step(f'{task}-student', teacher)]

    broken = {}
    monkeypatch.setattr(demo, 'TASKS', dict(a='a', b='b'))
    monkeypatch.setattr(demo, 'steps_of', steps_of)
    demo.broken = broken
    demo.ran = lambda: (tmp_path / 'ran').read_text().split()
    return demo


def test_every_step_runs_once_and_after_what_it_needs(demo):
    demo.Demo().run()
    ran = demo.ran()
    assert len(ran) == len(set(ran)) == 6
    for task in 'ab':
        order = [ran.index(f'{task}-{n}') for n in ('data', 'teacher')]
        assert order[0] < order[1] < ran.index(f'{task}-student')


def test_a_second_run_has_nothing_to_do(demo, capsys):
    demo.Demo().run()
    demo.Demo().run()
    assert len(demo.ran()) == 6
    assert capsys.readouterr().out.count('done before') == 6


def test_a_failing_step_stops_the_rest_and_shows_its_log(demo):
    demo.broken['a'] = 'print("no luck"); raise SystemExit(3)'
    with pytest.raises(RuntimeError, match='(?s)exit status 3.*no luck'):
        demo.Demo().run()
    assert 'a-student' not in demo.ran()
    demo.broken.clear()
    demo.Demo().run()
    assert demo.ran().count('a-data') == 1
    assert 'a-student' in demo.ran()
