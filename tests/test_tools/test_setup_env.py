"""The set-up of .venv, with every program that it starts replaced."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture()
def setup_env(monkeypatch, tmp_path):
    """The module, working on a clone in a temporary folder."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import setup_env as module

    for folder in ('mmfreekd', 'requirements', '.venv/bin'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'mmfreekd/a.py').write_text('a = 1\n')
    (tmp_path / 'requirements/constraints.txt').write_text('mmcv==2.1.0\n')
    (tmp_path / '.venv/bin/python').symlink_to(sys.executable)
    monkeypatch.setattr(module, 'ROOT', tmp_path)
    monkeypatch.setattr(module, 'VENV', tmp_path / '.venv')
    monkeypatch.setattr(module, 'REQUIREMENTS', tmp_path / 'requirements')
    monkeypatch.setattr(module, 'check_machine', lambda venv: None)
    return module


@pytest.fixture()
def running(setup_env):
    from _env import running as module

    return module


@pytest.fixture()
def mmcv(setup_env):
    from _env import mmcv as module

    return module


@pytest.fixture()
def calls(setup_env, monkeypatch) -> list:
    """What set_up() has done; 'fail' in it makes step 2 fail, once."""
    done = []

    def second(lock):
        if 'fail' in done:
            done.remove('fail')
            raise setup_env.SetupError('no network')
        done.append('two')

    monkeypatch.setattr(
        setup_env,
        'STEPS',
        (
            ('one', 'soon', lambda lock: done.append('one')),
            ('two', 'soon', second),
        ),
    )
    monkeypatch.setattr(
        setup_env, 'install_project', lambda lock: done.append('project')
    )
    return done


def test_second_run_has_nothing_to_do(setup_env, calls, capsys):
    assert setup_env.main() == 0
    assert calls == ['one', 'two', 'project']
    assert setup_env.main() == 0
    assert calls == ['one', 'two', 'project']
    assert 'up to date' in capsys.readouterr().out


def test_failed_run_goes_on_where_it_stopped(setup_env, calls, capsys):
    calls.append('fail')
    assert setup_env.main() == 1
    assert 'error: no network' in capsys.readouterr().err
    assert setup_env.main() == 0
    assert calls == ['one', 'two', 'project']


def test_changed_requirements_repeat_every_step(setup_env, calls, tmp_path):
    setup_env.main()
    (tmp_path / 'requirements/tests.txt').write_text('pytest\n')
    setup_env.main()
    assert calls == ['one', 'two', 'project'] * 2


def test_changed_source_reinstalls_the_project_only(
    setup_env, calls, tmp_path
):
    setup_env.main()
    (tmp_path / 'mmfreekd/a.py').write_text('a = 2\n')
    setup_env.main()
    assert calls == ['one', 'two', 'project', 'project']


@pytest.mark.parametrize('stamp', ['', '{"requirem', None])
def test_unreadable_stamp_starts_anew(setup_env, calls, tmp_path, stamp):
    if stamp is not None:
        (tmp_path / '.venv' / setup_env.STAMP).write_text(stamp)
    assert setup_env.main() == 0
    assert calls == ['one', 'two', 'project']


def test_venv_whose_python_is_gone_is_made_again(setup_env, calls, tmp_path):
    setup_env.main()
    (tmp_path / '.venv/bin/python').unlink()
    setup_env.main()
    assert calls == ['one', 'two', 'project'] * 2


def test_digest_sees_names_and_contents_but_no_caches(setup_env, tmp_path):
    def digest():
        files = setup_env.project_files(tmp_path)
        return setup_env.files_digest(tmp_path, files)

    first = digest()
    for ignored in ('__pycache__', '.mim'):
        (tmp_path / 'mmfreekd' / ignored).mkdir()
        (tmp_path / 'mmfreekd' / ignored / 'b.py').write_text('b = 1\n')
    assert digest() == first
    renamed = (tmp_path / 'mmfreekd/a.py').rename(tmp_path / 'mmfreekd/c.py')
    assert digest() != first
    renamed.rename(tmp_path / 'mmfreekd/a.py').write_text('a = 2\n')
    assert digest() != first


@pytest.mark.parametrize('version', [(3, 9, 18), (3, 13, 0)])
def test_other_pythons_are_refused(setup_env, version):
    with pytest.raises(setup_env.SetupError, match='3.10, 3.11 or 3.12'):
        setup_env.check_python(version)


def test_supported_pythons_pass(setup_env):
    for minor in (10, 11, 12):
        setup_env.check_python((3, minor, 1))


def test_everything_that_is_lacking_is_named(setup_env, monkeypatch):
    from _env import checks

    monkeypatch.setenv('CXX', 'no-such-compiler -O2')
    monkeypatch.setattr(checks, 'DISK_GB', 10**9)
    with pytest.raises(setup_env.SetupError) as error:
        checks.check_machine(TOOLS)
    assert "'no-such-compiler' was not found" in str(error.value)
    assert '1000000000 GB of free disk space' in str(error.value)


def test_only_one_set_up_at_a_time(setup_env, tmp_path):
    order = []

    def second():
        with setup_env.only_one(tmp_path):
            order.append('second')

    with setup_env.only_one(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append('first')
    thread.join(10)
    assert order == ['first', 'second']


@pytest.mark.parametrize(
    'line, step',
    [
        ('[12/77] c++ -MMD -MF x.o.d', (12, 77)),
        ('  [1/5] nvcc', (1, 5)),
        ('creating build/[1/2]', None),
        ('[notice] a new release of pip', None),
        ('', None),
    ],
)
def test_parse_step(running, line, step):
    assert running.parse_step(line) == step


def test_describe_progress(running):
    assert running.describe_progress(None, 61) == (
        'still running after 1 min 01 s'
    )
    assert running.describe_progress((3, 77), 30) == '[3/77] 3 %, 30 s so far'
    assert running.describe_progress((20, 80), 100) == (
        '[20/80] 25 %, 1 min 40 s so far, about 5 min 00 s left'
    )


def run_python(running, code: str, folder: Path) -> Path:
    log = folder / 'log'
    with open(folder / 'lock', 'w') as lock:
        running.run_logged(
            [sys.executable, '-c', code],
            log,
            folder,
            lock.fileno(),
            advice='Eat more',
        )
    return log


def test_signs_of_life_from_a_silent_program(
    running, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(running, 'SIGN_OF_LIFE', 0.2)
    code = "import time; print('[4/8] c++'); time.sleep(1); print('end')"
    log = run_python(running, code, tmp_path)
    assert log.read_text() == '[4/8] c++\nend\n'
    shown = capsys.readouterr().out.splitlines()
    assert 2 <= len(shown) <= 6
    assert re.search(r'\[4/8\] 50 %, .* left', shown[-1])


def test_failure_shows_the_end_of_the_output_and_advice(running, tmp_path):
    code = 'print("\\n".join(f"line {i}" for i in range(99))); exit(3)'
    with pytest.raises(running.SetupError) as error:
        run_python(running, code, tmp_path)
    message = str(error.value)
    assert 'failed with status 3' in message and 'line 98' in message
    assert 'line 12' not in message and 'Eat more' in message


def test_interruption_ends_the_children(running, monkeypatch, tmp_path):
    def interrupt(*_):
        started = tmp_path / 'pid'
        if started.exists() and started.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(running, 'SIGN_OF_LIFE', 0.2)
    monkeypatch.setattr(running, 'say', interrupt)
    code = (
        f'import subprocess as s, sys; p = s.Popen(["sleep", "60"]); '
        f'open({str(tmp_path / "pid")!r}, "w").write(str(p.pid)); '
        'p.wait()'
    )
    with pytest.raises(KeyboardInterrupt):
        run_python(running, code + '; print("over")', tmp_path)
    pid = (tmp_path / 'pid').read_text()
    deadline = time.time() + 10  # a signal takes a moment to be heard
    state = process_state(pid)
    while state not in ('', 'Z') and time.time() < deadline:
        time.sleep(0.1)
        state = process_state(pid)
    assert state in ('', 'Z')


def process_state(pid):
    return subprocess.run(
        ['ps', '-o', 'stat=', pid], text=True, stdout=subprocess.PIPE
    ).stdout.strip()


@pytest.mark.parametrize(
    'good, installed',
    [
        ('kept', ['other', 'kept']),
        ('compiled', ['other', 'kept', 'compiled']),
    ],
)
def test_kept_mmcv_is_used_only_if_it_loads(
    mmcv, monkeypatch, tmp_path, good, installed
):
    tried = []
    monkeypatch.setattr(mmcv, 'torch_version', lambda venv: '2.13.0')
    monkeypatch.setattr(mmcv, 'kept_wheels', lambda *_: ['other', 'kept'])
    monkeypatch.setattr(mmcv, 'compile_wheel', lambda *_: 'compiled')
    monkeypatch.setattr(
        mmcv,
        'load_error',
        lambda *_: None if tried[-1] == good else 'undefined symbol',
    )
    mmcv.build_mmcv(tmp_path, '2.1.0', 0, tried.append)
    assert tried == installed


def test_mmcv_that_never_loads_is_an_error(mmcv, monkeypatch, tmp_path):
    monkeypatch.setattr(mmcv, 'torch_version', lambda venv: '2.13.0')
    monkeypatch.setattr(mmcv, 'kept_wheels', lambda *_: [])
    monkeypatch.setattr(mmcv, 'compile_wheel', lambda *_: 'compiled')
    monkeypatch.setattr(mmcv, 'load_error', lambda *_: 'undefined symbol')
    with pytest.raises(mmcv.SetupError, match='undefined symbol'):
        mmcv.build_mmcv(tmp_path, '2.1.0', 0, lambda wheel: None)


def test_kept_wheels_are_of_this_version_and_python(mmcv, tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin/python').symlink_to(sys.executable)
    tag = 'cp{}{}'.format(*sys.version_info)
    dist = tmp_path / 'build/dist'
    dist.mkdir(parents=True)
    for name in (f'2.1.0-{tag}', f'2.2.0-{tag}', '2.1.0-cp39'):
        (dist / f'mmcv-{name}-x-linux.whl').touch()
    names = [
        wheel.name
        for wheel in mmcv.kept_wheels(tmp_path, tmp_path / 'build', '2.1.0')
        if wheel.parent == dist
    ]
    assert names == [f'mmcv-2.1.0-{tag}-x-linux.whl']
