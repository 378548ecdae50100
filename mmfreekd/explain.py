"""What a config or a machine did wrong, where the stack says it its own way.

:func:`explain` goes by the type of an exception, by the functions that it
passed through, and by registries and signatures, never by another library's
wording.
"""

import errno
import inspect
import json
import os
import pickle
import re
import traceback
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from types import FrameType
from typing import Callable, Iterable, List, Optional, Tuple
from urllib.error import URLError

from .compat.versions import fix_mmcv
from .errors import UsageError

DISK = {
    errno.ENOSPC: 'the disk is full',
    errno.EDQUOT: 'the quota of the disk is used up',
    errno.EFBIG: 'files must not become as large as this',
    errno.EROFS: 'the disk is read-only',
    errno.EACCES: 'permission denied',
    errno.EPERM: 'permission denied',
    errno.ENOTDIR: 'a part of the path is a file, not a folder',
    errno.EEXIST: 'there is a file of that name, but a folder is needed',
}
TORCHVISION = (
    'ImageNet weights (an init_cfg of torchvision://...) need torchvision, '
    'which is missing here or belongs to another torch: install '
    f'torch=={version("torch")} and torchvision in one command of pip, from '
    'where your torch came from. Or start without them, by '
    '--cfg-options model.backbone.init_cfg=None, in a distillation '
    'model.architecture.backbone.init_cfg=None'
)
# functions of the stack that raise for one reason only
RAISED_IN = dict(
    _verify_batch_size='a batch norm got a single value per channel ({}): '
    'it needs at least two images, or larger ones. Set '
    'train_dataloader.batch_size to 2 or more, and '
    'train_dataloader.drop_last=True if the last batch of an epoch is smaller',
    _serialize_data='a data set holds no image with an object of its classes '
    '({}). metainfo.classes must be the names of the categories in the '
    'annotation file (a single one with a comma after it)',
    load_state_dict='the checkpoint to resume from belongs to another model '
    'or optimizer ({}). Resume with the config that it was trained with',
)
# "No such file", as Python says it; from a process that loads data
NO_FILE = re.compile(r"\[Errno 2\][^']*'([^']+)'")


def explain(error: BaseException) -> Optional[str]:
    """Say what was expected, what came and how to fix it.

    Args:
        error (BaseException): What ended a program.

    Returns:
        str | None: The message; None for what may be a bug.
    """
    if isinstance(error, (UsageError, FloatingPointError)):
        return str(error)
    frames = [f for f, _ in traceback.walk_tb(error.__traceback__)]
    for kind, tell in RULES:
        if isinstance(error, kind) and (said := tell(error, frames)):
            return said
    for frame in reversed(frames):
        if said := RAISED_IN.get(frame.f_code.co_name):
            return said.format(error)
    return _built(error, frames)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``'. Did you mean x?'``, or nothing where no name is near."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f'. Did you mean {" or ".join(near)}?' if near else ''


def configured(error: BaseException) -> List[FrameType]:
    """The calls of mmengine in which parts of a config were being built.

    Returns:
        list[FrameType]: Of ``build_from_cfg`` and of the ``build_*`` methods
        of the Runner, the innermost first.
    """
    found = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name, module = frame.f_code.co_name, frame.f_globals.get('__name__')
        if name == 'build_from_cfg' or (
            module == 'mmengine.runner.runner'
            and name.startswith(('build_', '__init__'))
        ):
            found.insert(0, frame)
    return found


def _built(error: BaseException, frames: List[FrameType]) -> Optional[str]:
    """For what was raised while a part of the config was built."""
    building = configured(error)
    if not building:
        return None
    frame = building[0]
    found = frame.f_locals
    name = found.get('obj_type')
    if found.get('obj_cls') is None and isinstance(name, str):
        return _unknown(name, found['registry'])
    for inner in (f.f_locals for f in frames):
        if inner.get('optimizer_cls', 0) is None:
            from mmengine.registry import OPTIMIZERS

            return _unknown(inner['optimizer_cfg']['type'], OPTIMIZERS)
    if 'type' not in found.get('cfg', 'type'):
        return f'a part of the config has no type: {str(found["cfg"])[:300]}'
    kind = found.get('obj_cls')
    if kind is not None and (said := _arguments(kind, found['args'])):
        return said
    own = frames[-1].f_globals.get('__name__', '').startswith('mmfreekd')
    if own or not isinstance(error, Exception):
        return None
    what = getattr(kind, '__name__', frame.f_code.co_name.strip('_'))
    return (
        f'{what} does not take its config: {type(error).__name__}: '
        f'{str(error)[:500]}. Change it there'
    )


def _unknown(name: str, registry) -> str:
    try:  # without it nothing of mmdet is registered, and nobody says so
        import_module('mmcv._ext')
    except ImportError as broken:
        return _import(broken, [])
    while registry.parent is not None:
        registry = registry.parent
    known, left = {}, [registry]
    while left:
        one = left.pop()
        known.update({key: f'{one.scope}.{key}' for key in one.module_dict})
        left += one.children.values()
    near = get_close_matches(name.split('.')[-1], known, n=3, cutoff=0.6)
    hint = ''
    if near:
        hint = f'. Did you mean {" or ".join(known[k] for k in near)}?'
    elif len(known) < 30:
        hint = f'. Known are {", ".join(sorted(known))}'
    return f'type={name!r} is not a {registry.name} that is known here{hint}'


def _arguments(kind: Callable, args: dict) -> Optional[str]:
    """What a class does not take, or needs and is not given."""
    known = accepted(kind)
    name = kind.__name__
    if known is not None:
        for argument in args:
            if argument not in known:
                return f'{name} has no argument {argument!r}' + (
                    did_you_mean(argument, known) or '. Remove it'
                )
    missing = [
        key
        for key, p in inspect.signature(kind).parameters.items()
        if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
        if key not in args
    ]
    if missing:
        return f'{name} needs {", ".join(missing)}: add it to its config'
    return None


def accepted(kind: Callable) -> Optional[set]:
    """Names of the arguments that a class takes; None if it takes any."""
    known: set = set()
    inits = [
        c.__init__ for c in getattr(kind, '__mro__', ()) if c is not object
    ]
    for function in inits or [kind]:
        parameters = inspect.signature(function).parameters.values()
        known |= {p.name for p in parameters}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            return known
    return None


def _data(error: AttributeError, _) -> Optional[str]:
    """For annotations that a model needs and the pipeline does not load."""
    from mmengine.structures import BaseDataElement

    if not isinstance(error.obj, BaseDataElement):
        return None
    return (
        f'the data samples have no {error.name.strip("_")!r}, only '
        f'{", ".join(error.obj.keys()) or "nothing"}. Load it in '
        'train_dataloader.dataset.pipeline: LoadAnnotations with_bbox, '
        'with_mask or with_seg, and pack it'
    )


def _file(error: OSError, _) -> Optional[str]:
    if isinstance(error, URLError):
        return (
            f'a file cannot be downloaded ({error.reason}). Fetch it by hand '
            'and give its path in the config'
        )
    path = error.filename
    if path is None and (match := NO_FILE.search(str(error))):
        path = match[1]
    if isinstance(error, FileNotFoundError) and path:
        return (
            f'there is no file or folder {str(path)!r} (working directory '
            f'{os.getcwd()}). Check data_root, ann_file and data_prefix in '
            'the config, and that the data set is complete'
        )
    if error.errno in DISK:
        return (
            f'{str(path or "a file of the work_dir")!r}: '
            f'{DISK[error.errno]} ({error.strerror}). Give another --work-dir'
            ', or make room and go on with --resume'
        )
    return None


def _import(error: ImportError, _) -> Optional[str]:
    if error.name == 'torchvision':
        return TORCHVISION
    if error.name == 'mmcv._ext':
        return (
            f'the operators of MMCV do not load ({error}): they are missing, '
            'or were compiled for another torch. Install them again: '
            f'{fix_mmcv()}'
        )
    return None


def _runtime(error: RuntimeError, frames: List[FrameType]) -> Optional[str]:
    from torch import OutOfMemoryError
    from torch.distributed import DistNetworkError

    modules = [f.f_globals.get('__name__', '') for f in frames]
    if any(name.split('.')[0] == 'torchvision' for name in modules):
        return TORCHVISION
    if isinstance(error, DistNetworkError):
        return (
            f'the processes of this job do not find each other ({error}), or '
            'its port is taken. Set PORT to a free one: PORT=29511 '
            'dist_train.sh ...'
        )
    if isinstance(error, OutOfMemoryError):
        return (
            f'the memory of the device is used up ({error}). Take a smaller '
            'train_dataloader.batch_size, with '
            'optim_wrapper.accumulative_counts to make up for it, or --amp'
        )
    return None


def _json(error: json.JSONDecodeError, _) -> str:
    return (
        f'an annotation file is no JSON, or is truncated ({error}): see '
        'ann_file of the data sets. Fetch or make it again'
    )


def _pickle(error: pickle.UnpicklingError, _) -> str:
    return (
        'a checkpoint cannot be read: it is damaged, no PyTorch file, or '
        f'holds more than tensors ({str(error)[:200]}). See load_from'
    )


RULES: Tuple[Tuple[type, Callable], ...] = (
    (ImportError, _import),
    (OSError, _file),
    (RuntimeError, _runtime),
    (json.JSONDecodeError, _json),
    (AttributeError, _data),
    (pickle.UnpicklingError, _pickle),
)
