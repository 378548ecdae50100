"""What is built from the clone: all of it, and where mim looks for it."""

import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

import mmfreekd

ROOT = Path(__file__).resolve().parents[1]
BUILD = 'from setuptools import build_meta; build_meta.build_{}({!r})'
STACKS = 'onedl', 'openmmlab'
EXTRAS = {*STACKS, 'mim', 'robustness', 'sam', 'tests', 'wavelets'}
CLONE = (
    'mmfreekd',
    'configs',
    'tools',
    'requirements',
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'model-index.yml',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
)


def build(kind: str, source: Path, target: Path) -> Path:
    """Build an sdist, a wheel or an editable wheel, as pip does."""
    target.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, '-c', BUILD.format(kind, str(target))],
        cwd=source,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    (built,) = target.iterdir()
    return built


def copy_of_clone(path: Path) -> Path:
    """A clone as git would give it, with nothing built or cached in it."""
    path.mkdir()
    ignore = shutil.ignore_patterns('.mim', '__pycache__')
    for name in CLONE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, path / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, path / name)
    return path


@pytest.fixture(scope='module')
def sdist(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('sdist')
    return build('sdist', copy_of_clone(folder / 'clone'), folder / 'built')


@pytest.fixture(scope='module')
def wheel(sdist, tmp_path_factory) -> ZipFile:
    """The wheel, built from nothing but what is in the sdist."""
    folder = tmp_path_factory.mktemp('wheel')
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    (source,) = folder.iterdir()
    with ZipFile(build('wheel', source, folder / 'built')) as archive:
        yield archive


def files_of_clone(*folders: str) -> set:
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and not {'__pycache__', '.mim'} & set(path.parts)
    }


def test_wheel_holds_the_package_and_what_mim_needs(wheel):
    held = {name for name in wheel.namelist() if '.dist-info/' not in name}
    expected = files_of_clone('mmfreekd') | {
        f'mmfreekd/.mim/{name}'
        for name in files_of_clone('tools', 'configs') | {'model-index.yml'}
    }
    assert held == expected


def test_sdist_holds_mim_contents_too(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split('/', 1)[-1] for name in archive.getnames()}
    assert {
        'mmfreekd/.mim/tools/train.py',
        'mmfreekd/.mim/model-index.yml',
        'tools/train.py',
        'model-index.yml',
        'LICENSE',
    } <= names


def test_one_top_level_package_of_the_right_version(wheel):
    info = f'mmfreekd-{mmfreekd.__version__}.dist-info'
    assert wheel.read(f'{info}/top_level.txt').decode().split() == ['mmfreekd']
    metadata = message_from_string(wheel.read(f'{info}/METADATA').decode())
    assert metadata['Version'] == mmfreekd.__version__
    assert metadata['License'] == 'Apache-2.0'
    assert set(metadata['Requires-Python'].split(',')) == {'>=3.10', '<3.13'}
    assert set(metadata.get_all('Provides-Extra')) == EXTRAS
    # pip cannot require one of two: neither stack is required without extra
    required = [
        Requirement(text) for text in metadata.get_all('Requires-Dist')
    ]
    stacks = {r.name for s in STACKS for r in requirements(s)}
    assert stacks == {r.name for r in required if r.marker} & stacks
    assert not stacks & {r.name for r in required if not r.marker}


def test_editable_install_links_into_the_clone(tmp_path):
    clone = copy_of_clone(tmp_path / 'clone')
    build('editable', clone, tmp_path / 'built')
    for name in ('tools', 'configs', 'model-index.yml'):
        linked = clone / 'mmfreekd' / '.mim' / name
        assert linked.resolve() == (clone / name).resolve()


def test_mim_finds_each_config_by_its_basename(wheel):
    configs = [
        Path(name)
        for name in wheel.namelist()
        if '/.mim/configs/' in name
        and name.endswith('.py')
        and '/_base_/' not in name
    ]
    assert configs
    names = Counter(Path(name).name for name in wheel.namelist())
    assert [path for path in configs if names[path.name] > 1] == []


def test_model_index_is_complete():
    imported = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'configs').rglob('metafile.yml')
    }
    assert set(imported) == found
    for name in imported:
        models = yaml.safe_load((ROOT / name).read_text())['Models']
        assert models
        for model in models:
            assert {'Name', 'In Collection', 'Config'} <= set(model), model
            assert (ROOT / model['Config']).exists(), model['Config']


def requirements(name: str) -> list:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [
        Requirement(line)
        for line in lines
        if line and not line.startswith('#')
    ]


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
def test_everything_required_is_pinned(python):
    pins = {}
    for pin in requirements('constraints'):
        if not pin.marker or pin.marker.evaluate({'python_version': python}):
            assert pin.name.lower() not in pins, f'{pin.name} is pinned twice'
            (version,) = pin.specifier
            pins[pin.name.lower()] = version.version
    for name in ('build', 'runtime', *EXTRAS):
        for needed in requirements(name):
            pinned = pins[needed.name.lower()]
            assert needed.specifier.contains(pinned), (needed, pinned)
