"""What a config or a machine did wrong, where the stack says it its own way.

mmdet, mmengine and torch end in a traceback of their own then, whose last
line tells what happened inside them. :func:`explain` tells what to mend.
"""

import errno
import inspect
import json
import os
import re
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import Callable, Iterable, List, Optional, Tuple
from urllib.error import URLError

from .compat.versions import BUILD_MMCV
from .errors import UsageError

DISK = {
    errno.ENOSPC: 'the disk is full',
    errno.EDQUOT: 'the quota of the disk is used up',
    errno.EFBIG: 'files must not become as large as this',
    errno.EROFS: 'the disk is read-only',
    errno.EACCES: 'it must not be read or written',
    errno.EPERM: 'it must not be read or written',
    errno.ENOTDIR: 'a part of the path is a file, not a folder',
    errno.EEXIST: 'there is a file of that name, but a folder is needed',
}
REGISTRY = re.compile(r'([\w.]+) is not in the (\S+?)::(.+?) registry')
UNEXPECTED = re.compile(
    r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'"
)
MISSING = re.compile(r'(\w+)\.__init__\(\) missing .* arguments?: (.*)')
# of torch's data loader and of its optimisers
NUMBER = re.compile(
    r'batch_size should be a positive integer.*|num_workers option .*|'
    r'Invalid [\w ]+( value)?: \S+'
)
TORCHVISION = (
    'ImageNet weights (an init_cfg of torchvision://...) need torchvision, '
    'which is missing here or belongs to another torch: install '
    f'torch=={version("torch")} and torchvision in one command of pip, from '
    'where your torch came from. Or start without them, by '
    '--cfg-options model.backbone.init_cfg=None, in a distillation '
    'model.architecture.backbone.init_cfg=None'
)
NO_FILE = re.compile(r"No such file or directory: '([^']+)'")


def explain(error: BaseException) -> Optional[str]:
    """Say what was expected, what came and how to mend it.

    Args:
        error (BaseException): What ended a program.

    Returns:
        str | None: The message; None for what may be a bug.
    """
    if isinstance(error, UsageError):
        return str(error)
    for kind, tell in RULES:
        if isinstance(error, kind) and (said := tell(error)) is not None:
            return said
    return None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``'. Did you mean x?'``, or nothing where no name is near."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f'. Did you mean {" or ".join(near)}?' if near else ''


def _registry(error: KeyError) -> Optional[str]:
    match = REGISTRY.search(str(error))
    if match is None:
        if 'must contain the key "type"' in str(error):
            return (
                'a part of the config has no type, which says what it is: '
                f'{str(error)[:300]}. A misspelt name in --cfg-options makes '
                'such a part'
            )
        return None
    try:  # without it nothing of mmdet is registered, and nobody says so
        import_module('mmcv._ext')
    except ImportError as broken:
        return _import(broken)
    name, _, kind = match.groups()
    known = {k: r.scope for r in _registries(kind) for k in r.module_dict}
    near = get_close_matches(name.split('.')[-1], known, n=3, cutoff=0.6)
    names = [f'{known[k]}.{k}' for k in near]
    return f'type={name!r} is no {kind} that is known here' + (
        f'. Did you mean {" or ".join(names)}?' if names else ''
    )


def _registries(kind: str) -> List:
    from mmengine.registry import root

    tops = [r for r in vars(root).values() if getattr(r, 'name', None) == kind]
    found = []
    while tops:
        found.append(tops.pop())
        tops += found[-1].children.values()
    return found


def _arguments(error: TypeError) -> Optional[str]:
    if match := MISSING.search(str(error)):
        return (
            f'{match[1]} needs {match[2]}, which the config does not give. '
            'Add it where it is configured'
        )
    if 'None is not a callable object' in str(error):
        known = [k for r in _registries('optimizer') for k in r.module_dict]
        return (
            'optim_wrapper.optimizer.type is no optimizer that is known here: '
            f'{", ".join(sorted(known))}'
        )
    if (match := UNEXPECTED.search(str(error))) is None:
        return None
    name, argument = match.groups()
    known: List[str] = []
    for kind in ('model', 'hook', 'dataset', 'transform', 'optimizer'):
        for registry in _registries(kind):
            if name in registry.module_dict:
                known += inspect.signature(registry.get(name)).parameters
    return f'{name} has no argument {argument!r}' + (
        did_you_mean(argument, known) or '. Take it out of the config'
    )


def _file(error: OSError) -> Optional[str]:
    if isinstance(error, URLError):
        return (
            f'a file cannot be downloaded ({error.reason}). Fetch it by hand '
            'and give its path in the config'
        )
    path = error.filename
    if path is None:  # from a process that loads data
        match = NO_FILE.search(str(error))
        path = match[1] if match else None
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


def _import(error: ImportError) -> Optional[str]:
    if error.name == 'torchvision':
        return TORCHVISION
    if error.name == 'mmcv._ext':
        return (
            f'the operators of MMCV do not load ({error}): they are missing, '
            'or were compiled for another torch. Compile them anew: '
            f'{BUILD_MMCV}'
        )
    return None


def _runtime(error: RuntimeError) -> Optional[str]:
    text = str(error)
    if 'operator torchvision::nms does not exist' in text:
        return TORCHVISION
    if 'EADDRINUSE' in text or 'address already in use' in text:
        return (
            'the port of this job is taken, perhaps by another job on this '
            'machine. Set PORT to a free one: PORT=29511 dist_train.sh ...'
        )
    if 'out of memory' in text:
        return (
            f'the memory of the device is used up ({text.splitlines()[0]}). '
            'Take a smaller train_dataloader.batch_size, with '
            'optim_wrapper.accumulative_counts to make up for it, or --amp'
        )
    if 'Connection closed by peer' in text or 'Connection reset' in text:
        return (
            'another process of this job ended, its own message says why. '
            'Start all again with --resume'
        )
    return None


def _value(error: ValueError) -> Optional[str]:
    text = str(error)
    if isinstance(error, json.JSONDecodeError):
        return (
            f'an annotation file is no JSON, or is truncated ({text}): see '
            'ann_file of the data sets. Fetch or make it again'
        )
    if 'loaded state dict' in text:
        return (
            'the checkpoint to go on from belongs to another model or '
            f'optimiser ({text}). Resume with the config that it was '
            'trained with'
        )
    if 'need at least one array to concatenate' in text:
        return (
            'a data set holds no image with an object of its classes. '
            'metainfo.classes must be the very names of the categories in '
            'the annotation file (a single one with a comma after it), and '
            'ann_file that of the data set'
        )
    if 'Expected more than 1 value per channel when training' in text:
        return (
            'a batch of one image reached a batch norm whose feature map is '
            f'one cell ({text}), as in training without distillation. Set '
            'train_dataloader.drop_last=True if it is the last of an epoch, '
            'or else a train_dataloader.batch_size of at least 2'
        )
    if match := NUMBER.search(text):
        return f'{match[0]}. Set it in the config'
    return None


RULES: Tuple[Tuple[type, Callable], ...] = (
    (ImportError, _import),
    (KeyError, _registry),
    (TypeError, _arguments),
    (OSError, _file),
    (RuntimeError, _runtime),
    (ValueError, _value),
    (FloatingPointError, str),
)
