"""Make the teacher of configs/foundation/dinov2 from DINOv2's weights.

IN is what ``transformers`` loads: the name of a released model, which it
downloads, or a folder with its config.json and weights.

Example:
    python tools/model_converters/dinov2_encoder.py facebook/dinov2-base \\
        checkpoints/dinov2_vit-b_encoder.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _cli import UsageError, add_target_arguments, free_target, run  # noqa: E402


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('source', metavar='IN', help='a name or a folder')
    add_target_arguments(parser)
    return parser.parse_args(args)


def convert(source: str) -> dict:
    """The weights as an ImageEncoder of a Dinov2Encoder names them.

    Args:
        source (str): A name or a folder.

    Returns:
        dict: ``meta`` and ``state_dict``.

    Raises:
        UsageError: If there is no such model, or it is no DINOv2.
    """
    from mmfreekd.models.encoders.optional import import_transformers

    transformers = import_transformers('dinov2_encoder.py')
    try:
        model, report = transformers.Dinov2Backbone.from_pretrained(
            source, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise UsageError(f'IN: {source!r} cannot be loaded: {error}')
    wrong = [*report['missing_keys'], *report['mismatched_keys']]
    if wrong:
        raise UsageError(
            f'IN: {source!r} is no DINOv2; expected among others: '
            + ', '.join(map(str, sorted(wrong)[:10]))
        )
    weights = {
        f'backbone.model.{key}': value
        for key, value in model.state_dict().items()
    }
    return dict(meta=dict(source=source), state_dict=weights)


def main() -> None:
    """Convert, and say what was written."""
    from mmfreekd.checkpoints import save_atomically

    args = parse_args()
    target = free_target(args)
    content = convert(args.source)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_atomically(content, str(target))
    print(f'{target}: {len(content["state_dict"])} tensors')


if __name__ == '__main__':
    run(main)
