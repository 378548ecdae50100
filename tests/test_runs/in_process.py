"""tools/train.py inside the process of the tests, for imports take longest."""

import sys
from pathlib import Path

import pytest
from runs import ROOT, config_path, short_run


@pytest.fixture
def fails(workspace, monkeypatch, capfd, request):
    """Train a config that is wrong; return what is said about it."""
    monkeypatch.chdir(workspace.path)
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    import _cli
    import train

    folder = request.node.name.replace('[', '_').strip(']')

    def fails(config: str, *options: str, arguments=(), status=2) -> str:
        path = config if config.endswith('.py') else config_path(config)
        argv = ['train.py', path, '--work-dir', f'wrong/{folder}', *arguments]
        monkeypatch.setattr(sys, 'argv', [*argv, *short_run(2, *options)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            _cli.run(train.main)
        assert stopped.value.code == status
        out, err = capfd.readouterr()
        assert 'Traceback' not in err and 'Iter(train)' not in out + err
        assert not list(Path(f'wrong/{folder}').glob('*.pth'))
        return err

    return fails
