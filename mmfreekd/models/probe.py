"""What a layer puts out, found by one forward pass on a small image."""

from typing import Any, List, NamedTuple, Sequence, Tuple

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..errors import UsageError
from .sources import SourcesReached, composite_mode, find_source
from .tokens import fold_tokens, token_shapes

# The first is not a multiple of any stride, so that models that round sizes
# differently are told apart; some models take only multiples, or only images
# of one size.
IMAGE_SIZES = (251, 256, 512, 1024, 128, 64)

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
    images = image_shapes(*(model for model, *_ in layers))
    for image in images:
        try:
            return probe_layers(layers, image, training)
        except UsageError:
            raise
        except SIZE_ERRORS as error:
            failed = error
    names = ' and '.join(f'{s!r} of the {who}' for _, s, who in layers)
    raise UsageError(
        f'the shapes of {names} could not be found by a forward pass on '
        f'images of {images} (channels, pixels; {type(failed).__name__}: '
        f'{failed}). Write the recorders, connectors and losses of the '
        'distiller out, with their channels'
    ) from failed


def probe_layers(
    layers: Sequence[Tuple[BaseModel, str, str]],
    image: Tuple[int, int],
    training: Sequence[bool],
) -> List[Probed]:
    """The same for images of one shape.

    Args:
        layers (list[tuple]): As :func:`probe` takes them.
        image (tuple[int, int]): Its channels, and its height and width.
        training (list[bool]): Whether each model runs as in training.

    Returns:
        list[Probed]: One for each layer.

    Raises:
        UsageError: If a layer does not run or puts out no feature maps.
        RuntimeError | ValueError | AssertionError | IndexError: If a model
            does not take such images.
    """
    return [
        _probed(_run(model, source, image, mode), source, who)
        for (model, source, who), mode in zip(layers, training)
    ]


@torch.no_grad()
def _run(
    model: BaseModel, source: str, image: Tuple[int, int], training: bool
) -> list:
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
            model(*example_batch(model, image), mode='tensor')
    except SourcesReached:
        pass
    except UsageError as error:  # an encoder of ours refuses the size
        raise ValueError(str(error)) from error
    finally:
        handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return record


def example_batch(model: BaseModel, image: Tuple[int, int]) -> tuple:
    """An image ``(1, C, size, size)`` and what a data sample says of it."""
    from mmdet.structures import DetDataSample

    weight = next(model.parameters())
    channels, size = image
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
    images = weight.new_zeros(1, channels, *shape)
    return images, [sample]


def image_shapes(*models: BaseModel) -> List[Tuple[int, int]]:
    """Images to try: those that models insist on first, then small ones.

    Returns:
        list[tuple[int, int]]: Channels, and height and width.
    """
    modules = [module for model in models for module in model.modules()]
    own = {getattr(module, 'image_size', None) for module in modules}
    sizes = [size for size in own if isinstance(size, int)] + [*IMAGE_SIZES]
    mean = getattr(models[0].data_preprocessor, 'mean', None)
    channels = [] if mean is None else [mean.numel()]
    convs = [m.in_channels for m in modules if isinstance(m, nn.Conv2d)]
    channels = dict.fromkeys([*channels, 3, *convs[:1]])
    return [(channel, size) for channel in channels for size in sizes]


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
