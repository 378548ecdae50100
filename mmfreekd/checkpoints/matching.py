"""Which weights of a checkpoint match a model, strictly or in part."""

import logging
from typing import Dict, Iterable, List

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..errors import CheckpointError
from .reading import read_weights

# of batch norms; old checkpoints do not have it, and it changes no result
COUNTER = 'num_batches_tracked'


def load_strictly(model: nn.Module, path: str, what: str) -> None:
    """Load a model's weights from a checkpoint, all of them.

    Args:
        model (nn.Module): The model.
        path (str): The checkpoint.
        what (str): The config key or argument, for messages.

    Raises:
        CheckpointError: See :func:`load_weights`.
    """
    load_weights(model, read_weights(path, what), f'{what}: {path!r}')


def load_weights(
    model: nn.Module, weights: Dict[str, Tensor], source: str
) -> None:
    """Load weights that must cover every parameter and persistent buffer.

    The modules' own conversions of old names and shapes run first, by the
    versions in ``weights._metadata``. Ignored are counters of batch norms,
    buffers that the model keeps outside its ``state_dict``, such as the mean
    and std of its preprocessor, and copies by an ``EMAHook`` of
    MMDetection 2 (``ema_*``).

    Args:
        model (nn.Module): The model.
        weights (dict[str, Tensor]): Weights by name; changed in place.
        source (str): Where they come from, for messages.

    Raises:
        CheckpointError: If a name is missing or unexpected, a shape or the
            kind of dtype differs, or a value is not finite; lists them all.
    """
    own = model.state_dict()
    invalid = invalid_values(own, weights)
    _load(model, weights, '', getattr(weights, '_metadata', {}))
    extra = [name for name in weights if name not in own]
    buffers = dict(model.named_buffers())
    ignored = {*buffers, *(f'ema_{name.replace(".", "_")}' for name in own)}
    unexpected = [
        k for k in extra if k not in ignored and not k.endswith(COUNTER)
    ]
    report = [
        *listing(
            'missing in the file',
            [k for k in own if k not in weights and not k.endswith(COUNTER)],
        ),
        *listing('unexpected in the file', unexpected),
        *listing('with another shape', reshaped(own, weights, 'the model')),
        *listing('with invalid values', invalid),
    ]
    if report:
        raise CheckpointError(
            '\n'.join(
                [
                    f'{source} is not a checkpoint of this '
                    f'{type(model).__name__}; its config and checkpoint must '
                    f'belong together.{_hint(weights)}',
                    *report,
                ]
            )
        )
    if extra:
        print_log(
            f'{source}: {len(extra)} entries are ignored, such as {extra[0]}, '
            'which is not part of the weights',
            logger='current',
        )
    for name in extra:
        if name in buffers and not _equal(buffers[name], weights[name]):
            print_log(
                f'{source}: {name} is {weights[name].flatten().tolist()}, but '
                f'the config sets {buffers[name].flatten().tolist()}, which '
                'is used',
                logger='current',
                level=logging.WARNING,
            )


def _load(
    module: nn.Module, weights: Dict[str, Tensor], prefix: str, versions: dict
) -> None:
    """As ``load_state_dict``, but a module sees the names around its own.

    ``conv2_offset`` next to ``conv2`` is what deformable convolutions of old
    checkpoints call their offsets.
    """
    module._load_from_state_dict(
        weights, prefix, versions.get(prefix[:-1], {}), True, [], [], []
    )
    for name, child in module._modules.items():
        if child is not None:
            _load(child, weights, f'{prefix}{name}.', versions)


def _equal(own: Tensor, given: Tensor) -> bool:
    own, given = own.cpu().flatten(), given.flatten()
    return own.shape == given.shape and torch.allclose(own, given.to(own))


def matching(own: Dict[str, Tensor], given: Dict[str, Tensor]) -> List[str]:
    """Names of the model's weights that are given, with equal shape.

    Args:
        own (dict[str, Tensor]): The model's weights.
        given (dict[str, Tensor]): Weights from elsewhere.

    Returns:
        list[str]: The names; none if only counters of batch norms match.
    """
    names = [
        k for k, v in own.items() if k in given and v.shape == given[k].shape
    ]
    return names if any(not name.endswith(COUNTER) for name in names) else []


def reshaped(
    own: Dict[str, Tensor], given: Dict[str, Tensor], who: str
) -> List[str]:
    """A line for each weight whose shape differs from ``who``'s."""
    return [
        f'{k} is {tuple(given[k].shape)}, expected {tuple(v.shape)}, as in '
        f'{who}'
        for k, v in own.items()
        if k in given and given[k].shape != v.shape
    ]


def invalid_values(
    own: Dict[str, Tensor], weights: Dict[str, Tensor]
) -> List[str]:
    """Weights whose dtype does not match or whose values are not finite.

    Args:
        own (dict[str, Tensor]): The model's weights.
        weights (dict[str, Tensor]): The weights to load.

    Returns:
        list[str]: A line for each.
    """
    found = []
    for name, value in weights.items():
        expected = own.get(name, value).dtype
        if value.is_floating_point() != expected.is_floating_point:
            found.append(f'{name} is {value.dtype}, expected {expected}')
        elif not value.isfinite().all():
            found.append(f'{name} is not finite')
    return found


def no_match(model: str, names: Iterable[str]) -> str:
    """The message for a checkpoint of which no weight matches a model.

    Args:
        model (str): The name of the model.
        names (Iterable[str]): The checkpoint's names.

    Returns:
        str: The message.
    """
    names = list(names)
    return (
        f"none of the checkpoint's keys match {model} (found: "
        f'{", ".join(names[:3]) or "no weights"}, ...).'
        + (
            _hint(names)
            or ' Its config and checkpoint must belong together: a teacher or '
            'an exported student is loaded with its own config, and a '
            'distillation starts from a student by model.student_ckpt'
        )
    )


def _hint(names: Iterable[str]) -> str:
    if any(name.startswith('architecture.') for name in names):
        return (
            ' It is a checkpoint of a distillation: use the student_*.pth '
            'next to it, or the config of the distillation'
        )
    return ''


def listing(title: str, items: List[str], most: int = 10) -> List[str]:
    """Lines of a message: a title and the first items; none without items."""
    if not items:
        return []
    more = [f'    ... and {len(items) - most} more'] * (len(items) > most)
    return [
        f'  {title} ({len(items)}):',
        *(f'    {item}' for item in items[:most]),
        *more,
    ]


def refuse_foreign(module: nn.Module) -> None:
    """Let a model refuse checkpoints of which no weight matches.

    mmengine loads what matches, and trains or evaluates random weights where
    nothing does.

    Args:
        module (nn.Module): The model.
    """

    def compare(module, state_dict, prefix, *args):
        if not matching(module.state_dict(prefix=prefix), state_dict):
            raise CheckpointError(no_match(type(module).__name__, state_dict))

    module._register_load_state_dict_pre_hook(compare, with_module=True)
