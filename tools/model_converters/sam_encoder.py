"""Convert SAM's image encoder between the names that are in use.

IN is an official SAM checkpoint (keys ``image_encoder.*``), one of the
package transformers (``vision_encoder.*``, .safetensors too), an encoder of
this project, or a distillation's checkpoint, whose student is taken. OUT is a
PyTorch file, for ``torch.load``.

Examples:
    # the teacher of configs/foundation/sam
    python tools/model_converters/sam_encoder.py sam_vit_b_01ec64.pth \\
        checkpoints/sam_vit-b_encoder.pth
    # a student in place of the encoder of an official SAM
    python tools/model_converters/sam_encoder.py student_iter_40000.pth \\
        sam_student.pth --beside sam_vit_b_01ec64.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _cli import (  # noqa: E402
    UsageError,
    add_target_arguments,
    free_target,
    need_checkpoint,
    run,
)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('source', metavar='IN', help='a checkpoint')
    add_target_arguments(parser)
    parser.add_argument(
        '--to',
        choices=['mmfreekd', 'official', 'transformers'],
        help="the layout of OUT. Defaults to mmfreekd, or SAM's",
    )
    parser.add_argument(
        '--beside',
        metavar='SAM',
        help='a whole SAM, official or of transformers: OUT is it with the '
        'encoder of IN in place of its own, in its layout',
    )
    return parser.parse_args(args)


def read_weights(path: str) -> dict:
    """The tensors of a checkpoint, .safetensors or PyTorch's."""
    from mmfreekd.checkpoints.student import read_student

    need_checkpoint(path)
    if path.endswith('.safetensors'):
        from safetensors.torch import load_file

        return load_file(path)
    return read_student(path, 'the checkpoint')[0]


def converted(args: argparse.Namespace) -> dict:
    """What is to be written.

    Returns:
        dict: ``meta`` and ``state_dict`` for this project, plain weights for
        the others.

    Raises:
        UsageError: If a file holds something else than is expected.
    """
    from mmfreekd.sam_files import beside, convert, layout_of

    weights = read_weights(args.source)
    source = layout_of(weights, 'IN')
    if args.beside is None:
        target = args.to or 'mmfreekd'
        encoder = convert(weights, source, target)
        if target == 'mmfreekd':
            return dict(meta=dict(source=args.source), state_dict=encoder)
        return encoder
    sam = read_weights(args.beside)
    target = layout_of(sam, 'SAM')
    if target == 'mmfreekd' or args.to not in (None, target):
        raise UsageError(
            f'--beside: {args.beside!r} has the layout {target!r}; expected '
            f'a whole SAM, {args.to or "official or of transformers"}'
        )
    return beside(convert(weights, source, target), sam, target, 'SAM')


def main() -> None:
    """Convert, and say what was written."""
    from mmfreekd.checkpoints import save_atomically

    args = parse_args()
    target = free_target(args)
    content = converted(args)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_atomically(content, str(target))
    weights = content.get('state_dict', content)
    print(f'{target}: {len(weights)} tensors, the first {next(iter(weights))}')


if __name__ == '__main__':
    run(main)
