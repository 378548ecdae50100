"""The weights of SAM's image encoder, as its authors, the package transformers
and this project name them.

==============  ============================================================
layout          keys of the encoder, among others or not
==============  ============================================================
official        ``image_encoder.blocks.0.norm1.weight``, ...
transformers    ``vision_encoder.layers.0.layer_norm1.weight``, ...
mmfreekd        ``backbone.model.vision_encoder.layers.0...``, ..., an
                :class:`mmfreekd.models.ImageEncoder` of a
                :class:`mmfreekd.models.SamEncoder`
==============  ============================================================
"""

import re
from typing import Dict, List, Tuple

from torch import Tensor

from .checkpoints.matching import listing
from .errors import CheckpointError

Weights = Dict[str, Tensor]

PREFIXES = dict(
    official='image_encoder.',
    transformers='vision_encoder.',
    mmfreekd='backbone.model.vision_encoder.',
)
BLOCK = re.compile(r'(?:blocks|layers)\.(\d+)\.')
WEIGHT_BIAS = ('weight', 'bias')
# module by module, the official name and that of transformers
STEM = (('patch_embed.proj', 'patch_embed.projection'),)
NECK_NORMS = (('neck.1', 'neck.layer_norm1'), ('neck.3', 'neck.layer_norm2'))
NECK_CONVS = (('neck.0', 'neck.conv1'), ('neck.2', 'neck.conv2'))
IN_BLOCK = (
    ('norm1', 'layer_norm1'),
    ('attn.qkv', 'attn.qkv'),
    ('attn.proj', 'attn.proj'),
    ('norm2', 'layer_norm2'),
    ('mlp.lin1', 'mlp.lin1'),
    ('mlp.lin2', 'mlp.lin2'),
)
POSITIONS = ('attn.rel_pos_h', 'attn.rel_pos_w')
# of what stands beside the encoder, under the same names in both layouts
DECODER_KEYS = (
    'prompt_encoder.no_mask_embed.weight',
    'mask_decoder.iou_token.weight',
)


def encoder_names(depth: int) -> List[Tuple[str, str]]:
    """Every weight of an encoder: its official name, and transformers'.

    Args:
        depth (int): Blocks of the encoder, such as 12 for ViT-B.

    Returns:
        list[tuple[str, str]]: Without the prefix of the layout.
    """
    names = [('pos_embed', 'pos_embed')]
    modules = [*STEM, *NECK_NORMS]
    for i in range(depth):
        block, layer = f'blocks.{i}.', f'layers.{i}.'
        names += [(block + name, layer + name) for name in POSITIONS]
        modules += [(block + ours, layer + hf) for ours, hf in IN_BLOCK]
    names += [
        (f'{ours}.{kind}', f'{hf}.{kind}')
        for ours, hf in modules
        for kind in WEIGHT_BIAS
    ]
    return names + [
        (f'{ours}.weight', f'{hf}.weight') for ours, hf in NECK_CONVS
    ]


def encoder_keys(layout: str, depth: int) -> List[str]:
    """Every key of an encoder, in the same order for all layouts.

    Args:
        layout (str): A key of ``PREFIXES``.
        depth (int): Blocks of the encoder.

    Returns:
        list[str]: With the prefix; the last is the neck's last convolution.
    """
    which = 0 if layout == 'official' else 1
    return [PREFIXES[layout] + names[which] for names in encoder_names(depth)]


def layout_of(weights: Weights, what: str) -> str:
    """Which of the layouts a checkpoint has, checked key by key.

    Args:
        weights (dict[str, Tensor]): The checkpoint.
        what (str): What it is, for messages.

    Returns:
        str: A key of ``PREFIXES``.

    Raises:
        CheckpointError: If it has none of them; with the keys that were
            expected, and those that are missing or left over.
    """
    for layout in PREFIXES:
        if _found(weights, layout):
            _check_keys(weights, layout, what)
            return layout
    expected = [key for layout in PREFIXES for key in encoder_keys(layout, 1)]
    raise CheckpointError(
        '\n'.join(
            [
                f'{what}: no image encoder of SAM is in it. Its keys would '
                'begin with '
                + ', '.join(f'{p!r} ({n})' for n, p in PREFIXES.items()),
                *listing('expected, and likewise', expected, len(expected)),
                *listing('found', list(weights)),
            ]
        )
    )


def convert(weights: Weights, source: str, target: str) -> Weights:
    """Rename the weights of an encoder.

    Args:
        weights (dict[str, Tensor]): A checkpoint.
        source (str): Its layout.
        target (str): The layout to give it.

    Returns:
        dict[str, Tensor]: The encoder alone, the same tensors.
    """
    depth = _depth(_found(weights, source))
    return {
        new: weights[old]
        for new, old in zip(
            encoder_keys(target, depth), encoder_keys(source, depth)
        )
    }


def beside(encoder: Weights, sam: Weights, layout: str, what: str) -> Weights:
    """Put an encoder into a whole SAM, in place of its own.

    Args:
        encoder (dict[str, Tensor]): The encoder, in the layout of ``sam``.
        sam (dict[str, Tensor]): A checkpoint with prompt encoder and mask
            decoder.
        layout (str): ``'official'`` or ``'transformers'``.
        what (str): What ``sam`` is, for messages.

    Returns:
        dict[str, Tensor]: The encoder and everything else of ``sam``.

    Raises:
        CheckpointError: If ``sam`` has no prompt encoder and mask decoder,
            or takes embeddings of other channels or another size.
    """
    own = PREFIXES[layout]
    rest = {k: v for k, v in sam.items() if not k.startswith(own)}
    for key in DECODER_KEYS:
        if key not in rest:
            raise CheckpointError(
                f'{what}: a whole SAM was expected, with keys such as {key}, '
                f'but it has no such key. Found: {sorted(rest)[:5]}'
            )
    channels = encoder[encoder_keys(layout, 1)[-1]].size(0)
    taken = rest[DECODER_KEYS[0]].size(1)
    if channels != taken:
        raise CheckpointError(
            f'the encoder puts out {channels} channels, but {what} takes '
            f'embeddings of {taken}: distil a student with output_channels='
            f'{taken}'
        )
    if own + 'pos_embed' in sam:
        size, taken = (
            tuple(weights[own + 'pos_embed'].shape[1:3])
            for weights in (encoder, sam)
        )
        if size != taken:
            raise CheckpointError(
                f'the encoder puts out embeddings of {size} positions, but '
                f'{what} takes {taken}: distil a student with the image_size '
                'and patch_size of its teacher'
            )
    return {**encoder, **rest}


def _found(weights: Weights, layout: str) -> List[str]:
    prefix = PREFIXES[layout]
    return [key for key in weights if key.startswith(prefix)]


def _depth(keys: List[str]) -> int:
    found = [BLOCK.search(key) for key in keys]
    return max((int(match[1]) + 1 for match in found if match), default=1)


def _check_keys(weights: Weights, layout: str, what: str) -> None:
    found = _found(weights, layout)
    expected = encoder_keys(layout, _depth(found))
    missing = sorted({*expected} - {*found})
    left_over = sorted({*found} - {*expected})
    if missing or left_over:
        raise CheckpointError(
            '\n'.join(
                [
                    f'{what}: not the image encoder of SAM as it was released '
                    f'(layout {layout})',
                    *listing('expected, but missing', missing, len(missing)),
                    *listing('left over', left_over),
                ]
            )
        )
