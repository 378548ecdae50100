"""What a layer puts out, found by one forward pass on a small image."""

from typing import Any, List, NamedTuple, Sequence, Tuple

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..errors import UsageError
from .sources import SourcesReached, composite_mode, find_source
from .tokens import fold_tokens, token_shapes

# The first is not a multiple of any stride, so that models that round sizes
# differently are told apart; some models take only multiples, or large images.
IMAGE_SIZES = (251, 256, 512, 1024)

# what models raise for an image of a size that they do not take
SIZE_ERRORS = (RuntimeError, ValueError, AssertionError, IndexError)


class Probed(NamedTuple):
    """The output of a layer.

    Attributes:
        shapes (list[tuple]): ``(C, H, W)`` of each pyramid level.
        tokens (bool): Whether it puts out a transformer's tokens.
    """

    shapes: List[Tuple[int, int, int]]
    tokens: bool


def probe(*layers: Tuple[BaseModel, str, str]) -> List[Probed]:
    """Find out what layers put out, all for an image of the same size.

    The models run without gradients, no further than the layer; a student as
    in training (see :func:`mmfreekd.models.sources.composite_mode`), a
    teacher in evaluation. Their weights and buffers, their mode and the
    random state stay as they are.

    Args:
        *layers (tuple[BaseModel, str, str]): The model, the name of its
            layer, and who it is (``'student'`` or ``'teacher'``), for
            messages.

    Returns:
        list[Probed]: One for each layer.

    Raises:
        UsageError: If a layer does not exist, does not run, or puts out no
            feature maps.
    """
    for model, source, who in layers:
        find_source(model, source, who)
    training = [who == 'student' for *_, who in layers]
    sizes = image_sizes(*(model for model, *_ in layers))
    for size in sizes:
        try:
            return probe_layers(layers, size, training)
        except UsageError:
            raise
        except SIZE_ERRORS as error:
            failed = error
    names = ' and '.join(f'{s!r} of the {who}' for _, s, who in layers)
    raise UsageError(
        f'the shapes of {names} could not be found by a forward pass on '
        f'images of {sizes} pixels ({type(failed).__name__}: '
        f'{failed}). Write the recorders, connectors and losses of the '
        'distiller out, with their channels'
    ) from failed


def probe_layers(
    layers: Sequence[Tuple[BaseModel, str, str]],
    size: int,
    training: Sequence[bool],
) -> List[Probed]:
    """The same for images of one size.

    Args:
        layers (list[tuple]): As :func:`probe` takes them.
        size (int): Height and width of the image.
        training (list[bool]): Whether each model runs as in training.

    Returns:
        list[Probed]: One for each layer.

    Raises:
        UsageError: If a layer does not run or puts out no feature maps.
        RuntimeError | ValueError | AssertionError | IndexError: If a model
            does not take images of this size.
    """
    return [
        _probed(_run(model, source, size, mode), source, who)
        for (model, source, who), mode in zip(layers, training)
    ]


@torch.no_grad()
def _run(model: BaseModel, source: str, size: int, training: bool) -> list:
    """A layer's output and whether it is tokens; empty if it did not run."""
    record: list = []

    def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any):
        shapes = token_shapes(output, kwargs)
        record.extend(
            [output, False]
            if shapes is None
            else [fold_tokens(output, shapes), True]
        )
        raise SourcesReached

    modes = {module: module.training for module in model.modules()}
    handle = find_source(model, source, '').register_forward_hook(
        hook, with_kwargs=True
    )
    composite_mode(model, training)
    try:
        with torch.random.fork_rng(devices=[]):
            model(*example_batch(model, size), mode='tensor')
    except SourcesReached:
        pass
    finally:
        handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return record


def example_batch(model: BaseModel, size: int) -> tuple:
    """An image ``(1, C, size, size)`` and what a data sample says of it."""
    from mmdet.structures import DetDataSample

    weight = next(model.parameters())
    shape = (size, size)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=shape,
            ori_shape=shape,
            pad_shape=shape,
            batch_input_shape=shape,
            scale_factor=(1.0, 1.0),
        )
    )
    images = weight.new_zeros(1, image_channels(model), *shape)
    return images, [sample]


def image_sizes(*models: BaseModel) -> List[int]:
    """Sizes to try: those that models insist on, then small ones."""
    own = {
        module.image_size
        for model in models
        for module in model.modules()
        if isinstance(getattr(module, 'image_size', None), int)
    }
    return [*sorted(own), *IMAGE_SIZES]


def image_channels(model: BaseModel) -> int:
    """How many channels the images of a model have."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:
        return mean.numel()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


def _probed(record: list, source: str, who: str) -> Probed:
    if not record:
        raise UsageError(
            f'the {who} ran to its end without passing {source!r}: take a '
            'layer that its forward pass uses'
        )
    output, tokens = record
    levels = [output] if isinstance(output, Tensor) else output
    if not isinstance(levels, (list, tuple)) or not all(
        isinstance(x, Tensor) and x.dim() == 4 for x in levels
    ):
        raise UsageError(
            f'{source!r} of the {who} must put out feature maps (N, C, H, W), '
            f'got {_describe(output)}: take another layer'
        )
    return Probed([tuple(x.shape[1:]) for x in levels], tokens)


def _describe(output: Any) -> str:
    if isinstance(output, Tensor):
        return f'a tensor {tuple(output.shape)}'
    if isinstance(output, (list, tuple)):
        return f'[{", ".join(map(_describe, output))}]'
    return type(output).__name__
