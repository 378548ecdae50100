"""Reading checkpoints safely, whatever is in them besides tensors.

``torch.load(weights_only=True)`` refuses a file over any class that it does
not know, and training checkpoints of mmengine hold several: the log history,
numpy's scalars, configs. Here the log history and numpy's types are read,
any other class is replaced by an empty dict, and no code of a file runs.
"""

import io
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from typing import Any, Callable, Dict, List, Set, Tuple, Union
from urllib.parse import unquote

import numpy as np
import torch

from ..errors import CheckpointError

# a class or function of these modules is refused unless it is listed below
GUARDED = ('builtins', 'torch', 'numpy')
MARK_OF_2_6 = 'get_unsafe_globals_in_checkpoint'
Weights = Dict[str, torch.Tensor]
RENAMED = {'__builtin__': 'builtins', 'copy_reg': 'copyreg'}  # Python 2's
PICKLES = 5  # that a file in PyTorch's format before 1.6 begins with


class MissingCheckpointError(CheckpointError):
    """There is no file of this name."""


def read_checkpoint(path: str, what: str) -> dict:
    """Read a checkpoint from a file or URL onto the CPU.

    Args:
        path (str): A path, ``file://``, ``http(s)://`` or another address
            that mmengine knows.
        what (str): The config key or argument, for messages, such as
            ``'teacher_ckpt'``.

    Returns:
        dict: The checkpoint.

    Raises:
        MissingCheckpointError: If there is no such file.
        CheckpointError: If it cannot be downloaded or read.
    """
    path = local_path(path)
    try:
        if '://' in path:
            from mmengine.runner import CheckpointLoader

            checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu')
        else:
            checkpoint = load_file(path, 'cpu')
    except FileNotFoundError:
        raise MissingCheckpointError(
            f'{what}: there is no file {path!r} (working directory '
            f'{os.getcwd()}). Train it first, or give the path of an existing '
            'checkpoint'
        )
    except CheckpointError as error:  # of a download
        raise CheckpointError(f'{what}: {error}, or {_point_at(what)}')
    except OSError as error:
        raise CheckpointError(
            f'{what}: {path!r} cannot be read ({error}). Fix that, or '
            f'{_point_at(what)}'
        )
    except (
        pickle.UnpicklingError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:
        raise CheckpointError(
            f'{what}: {path!r} cannot be read as a checkpoint: it is '
            'truncated, damaged, not a PyTorch file, or holds objects that '
            f'are not loaded from files: {error}'
        )
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{what}: {path!r} holds a {type(checkpoint).__name__}, expected '
            'a dict of weights'
        )
    return checkpoint


def read_weights(path: str, what: str) -> Weights:
    """Read the weights of a checkpoint.

    Args:
        path (str): The checkpoint, see :func:`read_checkpoint`.
        what (str): The config key or argument, for messages.

    Returns:
        OrderedDict[str, Tensor]: See :func:`weights_of`.
    """
    return weights_of(read_checkpoint(path, what))


def weights_of(checkpoint: dict) -> Weights:
    """The tensors of a checkpoint's ``state_dict``, or of the dict itself.

    Args:
        checkpoint (dict): The checkpoint.

    Returns:
        OrderedDict[str, Tensor]: The weights without the prefix ``module.``;
        as in ``nn.Module.state_dict``, ``_metadata`` holds the versions of
        the modules that wrote them, where the file has them.
    """
    state = checkpoint.get('state_dict', checkpoint)
    weights = OrderedDict(
        (name.removeprefix('module.'), value)
        for name, value in (state if isinstance(state, dict) else {}).items()
        if isinstance(value, torch.Tensor)
    )
    weights._metadata = {
        f'{name}.'.removeprefix('module.')[:-1]: versions
        for name, versions in getattr(state, '_metadata', {}).items()
    }
    return weights


def load_file(path: str, map_location: Any = None) -> Any:
    """``torch.load`` of a file, safe and with its checksums compared.

    Args:
        path (str): The file; ``file://`` and ``~`` are understood.
        map_location (optional): As for ``torch.load``. Defaults to None.

    Returns:
        Any: The content; objects of unknown classes become dicts.

    Raises:
        FileNotFoundError: If there is no such file.
        zipfile.BadZipFile: If a part does not match its checksum.
        pickle.UnpicklingError: If it is not a PyTorch file, or refers to a
            function of Python, PyTorch or numpy.
    """
    path = local_path(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path} can not be found.')
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            changed = file.testzip()
        if changed is not None:
            raise zipfile.BadZipFile(f'bad checksum of its part {changed!r}')
    try:
        return torch.load(path, map_location, weights_only=True)
    except pickle.UnpicklingError:
        if not hasattr(torch.serialization, MARK_OF_2_6):
            raise  # before, torch.load replaces nothing
        stand_ins = _stand_ins(path)
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(path, map_location, weights_only=True)


def local_path(path: str) -> str:
    """A path without ``file://`` and ``~``; other addresses as they are."""
    path = str(path)
    if path.startswith('file://'):
        path = unquote(path.removeprefix('file://'))
    return path if '://' in path else os.path.expanduser(path)


class _Ignored:
    """In place of a class that is not loaded: a dict, whatever it was."""

    def __new__(cls, *args) -> OrderedDict:
        content = args[0] if args and type(args[0]) is dict else {}
        return OrderedDict(content)


def _stand_ins(path: str) -> List[Union[type, Tuple[Callable, str]]]:
    """What each class and function that a file refers to is replaced by."""
    from mmengine.logging import HistoryBuffer

    class History(HistoryBuffer):
        def __setstate__(self, state: dict) -> None:
            state.pop('statistics_methods', None)  # functions, by getattr
            super().__setstate__(state)
            self.__class__ = HistoryBuffer

    core = np._core if hasattr(np, '_core') else np.core
    known = {
        'mmengine.logging.history_buffer.HistoryBuffer': History,
        'builtins.getattr': _Ignored,
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
    }
    for package in ('numpy.core', 'numpy._core'):
        for name in ('scalar', '_reconstruct'):
            function = getattr(core.multiarray, name)
            known[f'{package}.multiarray.{name}'] = function
    names = _globals(path)
    stand_ins = [
        (known.get(name, _Ignored), name)
        for name in names
        if name in known or name.split('.')[0] not in GUARDED
    ]
    # types of dtypes are created by numpy.dtype, and are not named in a file
    types = {type(np.dtype(code)) for code in '?bBhHiIlLqQefdUS'}
    return [*stand_ins, *types]


def _globals(path: str) -> Set[str]:
    """The names of all classes and functions that a file refers to."""
    found: Set[str] = set()
    with open(path, 'rb') as file:
        stream, pickles = file, PICKLES
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                data = [n for n in archive.namelist() if '/data.pkl' in n]
                if not data:
                    return found
                stream, pickles = io.BytesIO(archive.read(data[0])), 1
        try:
            for _ in range(pickles):
                for opcode, argument, _ in pickletools.genops(stream):
                    if opcode.name == 'GLOBAL':
                        module, name = argument.split(' ')
                        module = RENAMED.get(module, module)
                        found.add(f'{module}.{name}')
        except ValueError:  # not a pickle
            return set()
    return found


def _point_at(what: str) -> str:
    """How to use a file that was downloaded by hand."""
    if what in ('teacher_ckpt', 'student_ckpt'):
        return f'point at the file: --cfg-options model.{what}=FILE'
    return 'give the path of a file instead'
