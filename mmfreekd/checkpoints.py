"""Reading checkpoints, strictly, and writing them whole."""

import os
import pickle
import zipfile
from typing import Dict

import torch
from mmengine.runner import CheckpointLoader
from torch import nn

from .errors import CheckpointError
from .fitting import COUNTER, fitting, listing, nothing_of, unfit_numbers
from .version import __version__
from .whole_files import open_whole


def read_checkpoint(path: str, what: str) -> dict:
    """Read a checkpoint from a file or URL onto the CPU.

    Args:
        path (str): Whatever mmengine loads: a file, ``http(s)://``, ...
        what (str): What it is, for messages, such as ``'teacher_ckpt'``.

    Returns:
        dict: The checkpoint.

    Raises:
        CheckpointError: If it is missing or cannot be read.
    """
    try:
        check_sums(path)
        if os.path.isfile(path):  # said, for torch does so only since 2.6
            checkpoint = torch.load(path, 'cpu', weights_only=True)
        else:
            checkpoint = CheckpointLoader.load_checkpoint(
                str(path), map_location='cpu'
            )
    except FileNotFoundError:
        raise CheckpointError(
            f'{what}: there is no file {path!r} (working directory '
            f'{os.getcwd()}). Train it first, or give the path of an existing '
            'checkpoint'
        )
    except CheckpointError as error:  # of a download
        raise CheckpointError(f'{what}: {error}, or {_point_at(what)}')
    except OSError as error:
        raise CheckpointError(
            f'{what}: {path!r} cannot be read ({error}). Mend that, or '
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
            'truncated, damaged, no PyTorch file, or holds objects that are '
            f'not loaded from files. What was found: {error}'
        )
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{what}: {path!r} holds a {type(checkpoint).__name__}, expected '
            'a dict of weights'
        )
    return checkpoint


def read_weights(path: str, what: str) -> Dict[str, torch.Tensor]:
    """The weights in a checkpoint by their names, see :func:`read_checkpoint`.

    Args:
        path (str): The checkpoint.
        what (str): What it is, for messages.

    Returns:
        dict[str, Tensor]: The weights, on the CPU.
    """
    checkpoint = read_checkpoint(path, what)
    return {
        name.removeprefix('module.'): value
        for name, value in checkpoint.get('state_dict', checkpoint).items()
        if isinstance(value, torch.Tensor)
    }


def check_sums(path: str) -> None:
    """Compare a file with the checksums in it, which ``torch.load`` ignores.

    Args:
        path (str): A file as ``torch.save`` writes it; others are let be.

    Raises:
        zipfile.BadZipFile: If a part of it has changed.
    """
    path = os.path.expanduser(path)
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as file:
        changed = file.testzip()
    if changed is not None:
        raise zipfile.BadZipFile(f'bad checksum of its part {changed!r}')


def _point_at(what: str) -> str:
    """How to say where a file is that was fetched by hand."""
    if what in ('teacher_ckpt', 'student_ckpt'):
        return f'point at the file: --cfg-options model.{what}=FILE'
    return 'give the path of a file instead'


def load_strictly(model: nn.Module, path: str, what: str) -> None:
    """Load weights into a model, all of them and nothing else.

    Args:
        model (nn.Module): The model.
        path (str): The checkpoint.
        what (str): What it is, for messages.

    Raises:
        CheckpointError: If keys, shapes or kinds of numbers do not match, or
            a weight is not finite; lists what is missing, what is left over,
            what has another shape and what holds no proper numbers.
    """
    weights = read_weights(path, what)
    own = model.state_dict()
    reshaped = [
        f'{k} is {tuple(v.shape)}, expected {tuple(own[k].shape)}'
        for k, v in weights.items()
        if k in own and v.shape != own[k].shape
    ]
    unfit = unfit_numbers(own, weights)
    if not reshaped and not unfit:
        missing, left_over = model.load_state_dict(weights, strict=False)
    else:
        missing = [k for k in own if k not in weights]
        left_over = [k for k in weights if k not in own]
    missing = [k for k in missing if not k.endswith(COUNTER)]
    if missing or left_over or reshaped or unfit:
        raise CheckpointError(
            '\n'.join(
                [
                    f'{what}: {path!r} is not a checkpoint of this '
                    f'{type(model).__name__}; its config and checkpoint must '
                    'belong together.',
                    *listing('missing in the file', missing),
                    *listing('left over in the file', left_over),
                    *listing('of another shape', reshaped),
                    *listing('of unfit numbers', unfit),
                ]
            )
        )


def refuse_foreign(module: nn.Module) -> None:
    """Let a model refuse checkpoints that hold nothing of it.

    mmengine loads what fits, and trains or evaluates random weights where
    nothing does.

    Args:
        module (nn.Module): The model.
    """

    def compare(module, state_dict, prefix, *args):
        if not fitting(module.state_dict(prefix=prefix), state_dict):
            raise CheckpointError(
                nothing_of(type(module).__name__, state_dict)
            )

    module._register_load_state_dict_pre_hook(compare, with_module=True)


def leave_out(module: nn.Module, part: str) -> None:
    """Keep a frozen part out of a module's checkpoints.

    It is rebuilt from the config whenever the module is; loading a
    checkpoint leaves it as it is, and a checkpoint that holds nothing of the
    rest is refused.

    Args:
        module (nn.Module): The module.
        part (str): The name of its child.
    """

    def drop(module, state_dict, prefix, local_metadata):
        own = f'{prefix}{part}.'
        for key in [k for k in state_dict if k.startswith(own)]:
            del state_dict[key]

    def keep_own(module, state_dict, prefix, *args):
        own = getattr(module, part).state_dict(prefix=f'{prefix}{part}.')
        state_dict.update(own)

    module._register_state_dict_hook(drop)
    refuse_foreign(module)  # first: its message names what was given
    module._register_load_state_dict_pre_hook(keep_own, with_module=True)


def save_whole(content: Dict, path: str) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        content (dict): Tensors and plain values, as ``torch.save`` takes it.
        path (str): The file.
    """
    with open_whole(path, 'wb') as file:
        torch.save(content, file)


def export_student(source: str, target: str) -> None:
    """Write the student of a distillation as a plain checkpoint.

    Args:
        source (str): A checkpoint of an MMRazor distillation.
        target (str): The checkpoint for plain mmdet / mmseg: tensors and
            plain values, readable anywhere.

    Raises:
        CheckpointError: If the source holds no student.
    """
    checkpoint = read_checkpoint(source, 'the distillation checkpoint')
    weights = student_weights(checkpoint.get('state_dict', {}))
    if not weights:
        raise CheckpointError(
            f'{source!r} holds no student: expected a checkpoint of a '
            'distillation'
        )
    meta = checkpoint.get('meta', {})
    meta = {
        key: meta[key]
        for key in ('dataset_meta', 'epoch', 'iter')
        if key in meta
    }
    save_whole(
        dict(
            meta=dict(**meta, mmfreekd_version=__version__), state_dict=weights
        ),
        target,
    )


def student_weights(state_dict: Dict) -> Dict:
    """The student's part of a distillation's weights, by its own names.

    Version 1 wrote them with the prefix ``architecture.``.
    """
    old = any(key.startswith('architecture.') for key in state_dict)
    return {
        key.removeprefix('architecture.'): value
        for key, value in state_dict.items()
        if (key.startswith('architecture.') if old else True)
        and not key.startswith('distiller.')
    }
