import ast
import os
import subprocess
import sys
from pathlib import Path

import mmcv
import pytest

import mmfreekd
from mmfreekd import compat
from mmfreekd.compat import __main__ as command
from mmfreekd.compat import versions

ROOT = Path(mmfreekd.__file__).parents[1]


def python(code, **env):
    """What a fresh Python prints; fails with its error if it fails."""
    path = os.pathsep.join(
        p for p in (str(ROOT), os.environ.get('PYTHONPATH')) if p
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': path, **env},
        cwd='/',
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    loaded = python(
        'import mmfreekd, sys; print(sorted({"torch", "numpy", "mmengine", '
        '"mmcv", "mmrazor", "mmdet", "mmseg"} & sys.modules.keys()))'
    )
    assert loaded == '[]'


def test_the_frequency_core_needs_nothing_of_openmmlab():
    python("""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('mmengine', 'mmcv', 'mmdet', 'mmseg',
                                  'mmrazor', 'pywt'):
            raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Blocker())
import torch
from mmfreekd.frequency import (apply_masks, frequency_distance,
                                frequency_masks, mask_overlap, wavedec2,
                                waverec2)
x = torch.randn(1, 4, 5, 6)
masks = frequency_masks(x, torch.randn(10, 2, 4))
waverec2(apply_masks(wavedec2(x), masks), (5, 6))
frequency_distance(x, x, masks), mask_overlap(masks)
""")


def test_mmrazor_imports_and_finds_the_package():
    printed = python("""
import mmfreekd, mmrazor.models, mmrazor.structures
from mmrazor.registry import MODELS
print(MODELS.build(dict(type='mmfreekd.FreeKDLoss', channels=4)).channels)
""")
    assert printed.splitlines()[-1] == '[4]'


# what we import of MMRazor 1.0.0, which nobody maintains
FROM_MMRAZOR = """
from mmrazor.engine.hooks import StopDistillHook
from mmrazor.engine.runner import SingleTeacherDistillValLoop
from mmrazor.models.algorithms import BaseAlgorithm, SingleTeacherDistill
from mmrazor.models.architectures.connectors import MGDConnector
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector)
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.losses import MGDLoss
from mmrazor.models.task_modules import (
    ModuleInputsRecorder, ModuleOutputsRecorder, RecorderManager)
from mmrazor.models.utils import add_prefix
"""


def test_every_name_we_import_from_mmrazor_is_there():
    python(f'import mmfreekd{FROM_MMRAZOR}')
    names = set(imported(FROM_MMRAZOR))
    for path in (ROOT / 'mmfreekd').rglob('*.py'):
        assert set(imported(path.read_text())) <= names, path


def imported(source):
    """The (module, name) pairs that a source imports from mmrazor."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (node.module or '').startswith('mmrazor'):
                    yield node.module, alias.name


@pytest.mark.parametrize('found, shown', [('2.3.6', '2.1.0'), (None, '2.3.6')])
def test_mmrazors_limit_is_lifted_for_onedl_alone(monkeypatch, found, shown):
    monkeypatch.setattr(mmcv, '__version__', '2.3.6')
    monkeypatch.setattr(versions, 'installed', lambda name: found)
    with compat.tested_mmcv():
        assert mmcv.__version__ == shown
    assert mmcv.__version__ == '2.3.6'


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
def test_configs_of_the_installed_stack_are_found(scope):
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils import get_installed_path, is_installed

    assert is_installed(MODULE2PACKAGE[scope])
    found = Path(get_installed_path(MODULE2PACKAGE[scope]))
    assert (found / '.mim/model-index.yml').is_file()


def test_mim_finds_packages_of_others():
    utils = pytest.importorskip('mim.utils.utils')
    compat.find_plugins(utils)
    assert Path(utils.get_installed_path('mmrazor')).name == 'mmrazor'


@pytest.mark.parametrize(
    'order', ['mmfreekd, mmengine.config', 'mmengine.config, mmfreekd']
)
def test_configs_find_the_package_in_whatever_order_it_is_imported(order):
    printed = python(
        f'import {order}; from mmengine.config.utils import '
        'MODULE2PACKAGE; print(MODULE2PACKAGE["mmfreekd"])'
    )
    assert printed == 'mmfreekd'


def test_a_patched_module_keeps_its_source():
    import inspect

    import mmengine.runner.checkpoint

    assert 'def load_checkpoint' in inspect.getsource(
        mmengine.runner.checkpoint
    )


def test_is_installed_once():
    compat.install()
    finders = [f for f in sys.meta_path if isinstance(f, compat.CompatFinder)]
    assert len(finders) == 1


@pytest.mark.parametrize(
    'name',
    ['json', 'mmengine', 'mmrazor.models', 'mmrazor.structures.quantization'],
)
def test_leaves_other_modules_alone(name):
    assert compat.CompatFinder().find_spec(name) is None


@pytest.mark.parametrize(
    'torch_version, patched',
    [('1.13.1', False), ('2.0.0+cu118', True), ('2.13.0', True)],
)
def test_fills_in_for_quantization_only_where_it_is_broken(
    monkeypatch, torch_version, patched
):
    monkeypatch.setattr(
        'importlib.metadata.version', lambda package: torch_version
    )
    spec = compat.CompatFinder().find_spec(compat.RAZOR_QUANTIZATION)
    assert (spec is not None) == patched


@pytest.fixture
def startup(tmp_path, monkeypatch):
    path = tmp_path / command.STARTUP_FILE
    monkeypatch.setattr(command, 'startup_path', lambda: path)
    return path


def test_is_switched_on_and_off(startup, capsys):
    for args, on in (
        ([], False),
        (['--enable'], True),
        (['--enable'], True),
        ([], True),
        (['--disable'], False),
        (['--disable'], False),
    ):
        command.main(args)
        assert startup.exists() == on
        printed = capsys.readouterr().out
        assert f'patches are {"on" if on else "off"}' in printed
        assert str(startup) in printed


def test_on_and_off_at_once_is_refused(startup, capsys):
    with pytest.raises(SystemExit):
        command.main(['--enable', '--disable'])
    assert 'not allowed with' in capsys.readouterr().err
    assert not startup.exists()


def test_the_startup_file_patches_a_process_that_never_imports_us(startup):
    command.main(['--enable'])
    code = f"""
import site, sys
site.addsitedir({str(startup.parent)!r})
assert 'torch' not in sys.modules
import mmrazor.structures.quantization.backend_config as config
print(config.BackendConfigs['native'])
"""
    assert python(code) == 'None'


def test_the_startup_file_is_silent_where_we_are_not_installed(startup):
    command.main(['--enable'])
    done = subprocess.run(
        [
            sys.executable,
            '-I',
            '-S',
            '-c',
            'import site; '
            f'site.addsitedir({str(startup.parent)!r}); print("fine")',
        ],
        capture_output=True,
        text=True,
        cwd=startup.parent,
    )
    assert (done.stdout.strip(), done.stderr) == ('fine', '')


def test_the_startup_file_lies_where_python_looks_for_it():
    path = command.startup_path()
    assert path.suffix == '.pth'
    assert str(path.parent) in sys.path
