"""Convert frequency prompts of the official release to a ``prompts.pth``.

``FreeKDLoss`` takes such a checkpoint as it is; what is written here is small,
holds the prompts alone and says what they are.

Example:
    python tools/model_converters/official_prompts.py official.pth prompts.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _cli import UsageError, add_target_arguments, free_target, run  # noqa: E402


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert frequency prompts of the official release of '
        'FreeKD to the prompts.pth that stage 1 writes'
    )
    parser.add_argument(
        'source',
        metavar='IN',
        help='a checkpoint with keys mask_modules.{pyramid level}.mask_token, '
        'among others or not',
    )
    add_target_arguments(parser)
    return parser.parse_args(args)


def convert(source: str, target: Path) -> dict:
    """Write the prompts of an official checkpoint as stage 1 does.

    Args:
        source (str): The checkpoint.
        target (Path): The file to write.

    Returns:
        dict: Its ``meta``.

    Raises:
        UsageError: If the source holds no such prompts, or the target cannot
            be written.
    """
    from mmfreekd.checkpoints import read_checkpoint, save_atomically
    from mmfreekd.checkpoints.prompts import OFFICIAL, from_official

    content = from_official(read_checkpoint(source, 'IN'), source, 'IN')
    if content is None:
        raise UsageError(
            f'IN: a checkpoint of the {OFFICIAL} was expected, with keys '
            f'mask_modules.0.mask_token, ..., but {source!r} has none. A '
            'prompts.pth of stage 1 needs no conversion'
        )
    try:
        save_atomically(content, str(target))
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f'OUT: {str(target)!r} cannot be written ({error}). Give a file '
            'in a folder that exists and that you may write to'
        )
    return content['meta']


def main() -> None:
    """Convert, and print what was converted."""
    args = parse_args()
    target = free_target(args)
    meta = convert(args.source, target)
    print(
        f'{target}: {len(meta["channels"])} pyramid levels with C = '
        f'{meta["channels"]} channels, T = {meta["num_prompts"]} prompts for '
        f'each of {1 + meta["levels"]} bands (band_layout='
        f'{meta["band_layout"]!r}, levels={meta["levels"]}, '
        f'wavelet={meta["wavelet"]!r}). FreeKDLoss takes them with '
        "preset='official'"
    )


if __name__ == '__main__':
    run(main)
