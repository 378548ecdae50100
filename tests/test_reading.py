"""Whatever a checkpoint holds besides tensors, it loads and runs nothing."""

import argparse
import shutil
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from torch.testing import assert_close

from mmfreekd.checkpoints import (
    MissingCheckpointError,
    read_checkpoint,
    read_weights,
)
from mmfreekd.checkpoints.reading import load_file
from mmfreekd.errors import CheckpointError

CODES = '?bBhHiIlLqQefdU'


def history():
    """What mmengine keeps of a logged value."""
    buffer = HistoryBuffer()
    for value in (3.0, 1.0, np.float64(2.5)):
        buffer.update(value)
    return buffer


@pytest.fixture(params=[True, False], ids=['zip', 'legacy'])
def save(tmp_path, request):
    """Saves something as training does and returns the path."""

    def save(content):
        path = str(tmp_path / 'a+b.pth')
        torch.save(content, path, _use_new_zipfile_serialization=request.param)
        return path

    return save


class Pickled:
    """Pickles as a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_log_history_and_numpy_are_read(save):
    arrays = {code: np.arange(3).astype(code) for code in CODES}
    scalars = {code: array[1] for code, array in arrays.items()}
    content = dict(loss=history(), arrays=arrays, scalars=scalars)
    loaded = read_checkpoint(save(content), 'load_from')
    buffer = loaded['loss']
    assert type(buffer) is HistoryBuffer
    np.testing.assert_array_equal(buffer.data, history().data)
    for statistic in ('min', 'max', 'current', 'mean'):
        assert buffer.statistics(statistic) == history().statistics(statistic)
    for code in CODES:
        np.testing.assert_array_equal(loaded['arrays'][code], arrays[code])
        assert loaded['scalars'][code] == scalars[code]
        assert loaded['scalars'][code].dtype == scalars[code].dtype


@pytest.mark.parametrize(
    'value, expected',
    [
        (ConfigDict(classes=('a', 'b')), dict(classes=('a', 'b'))),
        (argparse.Namespace(lr=0.1), {}),
        (PurePosixPath('a/b'), {}),
        (Pickled(shutil.rmtree, 'harm'), {}),
    ],
)
def test_other_objects_become_dicts(save, value, expected):
    content = dict(meta=dict(x=value), state_dict=dict(w=torch.ones(2)))
    loaded = read_checkpoint(save(content), 'load_from')
    assert loaded['meta']['x'] == expected
    assert_close(loaded['state_dict'], dict(w=torch.ones(2)))


@pytest.mark.parametrize(
    'function, args',
    [
        (print, ('harm',)),
        (eval, ('1 + 1',)),
        (setattr, (HistoryBuffer, 'x', 1)),
        (np.fromfile, ('/dev/null',)),
        (torch.load, ('x.pth',)),
    ],
)
def test_functions_of_python_torch_and_numpy_are_refused(save, function, args):
    with pytest.raises(CheckpointError, match='(?s)a.b.pth.*Unsupported'):
        read_checkpoint(save(dict(x=Pickled(function, *args))), 'load_from')


def test_getattr_is_not_called(save):
    path = save(dict(x=Pickled(getattr, HistoryBuffer, 'update')))
    assert load_file(path) == dict(x={})


def test_nothing_stays_allowed_afterwards(save):
    before = torch.serialization.get_safe_globals()
    path = save(dict(loss=history()))
    load_file(path)
    assert torch.serialization.get_safe_globals() == before
    with pytest.raises(Exception, match='Weights only'):
        torch.load(path)


@pytest.mark.parametrize(
    'spell', [lambda p: f'file://{p}', lambda p: f'~/{p.name}']
)
def test_a_path_may_be_spelled_otherwise(save, spell, monkeypatch):
    from mmengine.runner import CheckpointLoader

    path = Path(save(dict(w=torch.ones(1))))
    monkeypatch.setenv('HOME', str(path.parent))
    assert read_weights(spell(path), 'load_from').keys() == {'w'}
    assert CheckpointLoader.load_checkpoint(spell(path)).keys() == {'w'}


def test_the_versions_of_modules_are_kept(save):
    weights = torch.nn.Sequential(torch.nn.BatchNorm1d(2)).state_dict()
    wrapped = torch.nn.DataParallel(torch.nn.Sequential()).state_dict()
    wrapped.update({f'module.{k}': v for k, v in weights.items()})
    wrapped._metadata.update(
        {f'module.{k}'.rstrip('.'): v for k, v in weights._metadata.items()}
    )
    for state in (weights, wrapped):
        read = read_weights(save(dict(state_dict=state)), 'load_from')
        assert read.keys() == weights.keys()
        assert read._metadata == weights._metadata


def test_a_missing_file_has_an_error_of_its_own():
    with pytest.raises(MissingCheckpointError, match='there is no file'):
        read_checkpoint('no/such.pth', 'teacher_ckpt')
