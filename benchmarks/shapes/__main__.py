"""Write a small data set of shapes in COCO or Cityscapes format.

Classes of ``plain`` scenes differ in outline and colour, those of the harder
``textured`` scenes in fine texture. The stock ``CocoDataset`` of mmdet and
``CityscapesDataset`` of mmseg read the result with ``metainfo`` of the classes
in ``benchmarks.shapes.scenes.SCENES``.

Example:
    python -m benchmarks.shapes coco data/shapes_coco
    python -m benchmarks.shapes cityscapes data/shapes_city --size 256 128
"""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Sequence

from .dataset import make
from .recipe import Recipe
from .scenes import SCENES
from .writers import WRITERS

HELP = dict(
    num_train='training images',
    num_val='validation images',
    num_test='test images',
    size='width and height in pixels',
    seed='of the random streams',
    objects="least and most shapes in an image; by default the scene's",
    noise="standard deviation in grey levels; by default the scene's",
)


def parse_args(argv: Sequence[str] = None) -> argparse.Namespace:
    """Parse the command line; ``args.recipe`` is the checked recipe."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.shapes',
        description='Write a small data set of shapes',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('format', choices=sorted(WRITERS))
    parser.add_argument(
        'out', type=Path, help='folder, new or written by this tool'
    )
    parser.add_argument(
        '--scene',
        choices=sorted(SCENES),
        default='plain',
        help='what the classes differ in: outline and colour, or texture',
    )
    default = Recipe()
    for name, text in HELP.items():
        parser.add_argument(
            '--' + name.replace('_', '-'),
            type=float if name == 'noise' else int,
            nargs=2 if name in ('size', 'objects') else None,
            default=None
            if name in ('objects', 'noise')
            else getattr(default, name),
            help=text,
        )
    parser.add_argument(
        '--corrupt',
        action='store_true',
        help='write the test split a second time with corrupted images',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a data set made with other arguments',
    )
    args = parser.parse_args(argv)
    values = {
        field.name: getattr(args, field.name) for field in fields(Recipe)
    }
    for name in ('size', 'objects'):
        values[name] = values[name] and tuple(values[name])
    try:
        args.recipe = Recipe(**values)
    except ValueError as error:
        parser.error(str(error))
    return args


def main(argv: Sequence[str] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    try:
        make(args.format, args.out, args.recipe, args.force)
    except OSError as error:
        raise SystemExit(f'benchmarks.shapes: {error}') from None


if __name__ == '__main__':
    main()
