"""Write a small data set of shapes in COCO or Cityscapes format.

Two kinds of scenes: ``plain`` ones, told apart by outline and colour, and the
harder ``textured`` ones, told apart by fine texture. The stock
``CocoDataset`` of mmdet and ``CityscapesDataset`` of mmseg read the result;
give them ``metainfo=dict(classes=...)`` with the keys of ``coco`` or
``cityscapes`` in ``shape_recipe.SCENES``. To import this module, put its
folder on ``sys.path``.

Example:
    python tools/data/make_shapes.py coco data/shapes_coco
    python tools/data/make_shapes.py cityscapes data/shapes_city --size 256 128
    python tools/data/make_shapes.py coco data/textured --scene textured \\
        --size 64 64 --num-train 600 --num-val 200 --num-test 400 --corrupt
"""

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Sequence

from shape_recipe import SCENES, Recipe
from shape_writers import SPLIT_IDS, write_cityscapes_split, write_coco_split

FOLDERS = (
    'train2017',
    'val2017',
    'test2017',
    'test2017_corrupted',
    'annotations',
    'leftImg8bit',
    'gtFine',
)
GENERATOR = 'make_shapes'
DEFAULT_RECIPE = Recipe()
# Left out of meta.json where they have these values, so that data sets made
# before they existed still match.
LATER_KEYS = dict(scene='plain', num_test=0, corrupt=False)
WRITERS = dict(coco=write_coco_split, cityscapes=write_cityscapes_split)


def _describe(style: str, recipe: Recipe) -> dict:
    """Return the content of ``meta.json``, as it is when read back."""
    meta = dict(
        generator=GENERATOR,
        version=SCENES[recipe.scene].version,
        format=style,
        **asdict(recipe),
    )
    for key, value in LATER_KEYS.items():
        if meta[key] == value:
            del meta[key]
    return json.loads(json.dumps(meta))


def _check_replaceable(
    out: Path, found: dict, meta: dict, force: bool
) -> None:
    if found.get('generator') != GENERATOR:
        raise FileExistsError(
            f'OUT must be a new or empty folder, but {out} holds files that '
            'make_shapes did not write: give another folder'
        )
    if not force:
        found, meta = {**LATER_KEYS, **found}, {**LATER_KEYS, **meta}
        changed = ', '.join(
            f'{key}={found.get(key)} (now {meta[key]})'
            for key in meta
            if found.get(key) != meta[key]
        )
        raise FileExistsError(
            f'OUT must be new or made with the same arguments, but {out} was '
            f'made with {changed}: give another folder, or --force to '
            'replace it'
        )


def _make(style: str, out: Path, recipe: Recipe, force: bool) -> bool:
    """Write the splits; ``meta.json.part`` marks a run under way."""
    out = Path(out)
    done, part = out / 'meta.json', out / 'meta.json.part'
    meta = _describe(style, recipe)
    found = json.loads(done.read_text()) if done.exists() else {}
    if found == meta:
        print(f'{out} is already made with these arguments: nothing to do')
        return False
    if out.exists() and any(out.iterdir()) and not part.exists():
        _check_replaceable(out, found, meta, force)
    out.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(meta, indent=2))
    done.unlink(missing_ok=True)
    for folder in FOLDERS:
        if (out / folder).exists():
            shutil.rmtree(out / folder)
    counts = {split: getattr(recipe, f'num_{split}') for split in SPLIT_IDS}
    splits = [split for split, count in counts.items() if count]
    text = ', '.join(f'{counts[split]} {split}' for split in splits)
    print(f'{style}: {text} images to {out}', flush=True)
    for split in splits:
        WRITERS[style](out, recipe, split)
    os.replace(part, done)
    return True


def make_coco(
    out: Path, recipe: Recipe = DEFAULT_RECIPE, force: bool = False
) -> bool:
    """Write a COCO data set: ``{train,val,test}2017`` and ``annotations``.

    Args:
        out (str | Path): Folder, new or written by this tool.
        recipe (Recipe): What to draw. Defaults to ``Recipe()``.
        force (bool): Whether to replace a data set that this tool made with
            other arguments. Defaults to False.

    Returns:
        bool: False when ``out`` already holds exactly this data set.

    Raises:
        FileExistsError: If ``out`` holds anything else.
        OSError: If a file cannot be written.
    """
    return _make('coco', out, recipe, force)


def make_cityscapes(
    out: Path, recipe: Recipe = DEFAULT_RECIPE, force: bool = False
) -> bool:
    """Write a Cityscapes data set: ``leftImg8bit`` and ``gtFine``.

    Arguments, return value and errors are those of :func:`make_coco`.
    """
    return _make('cityscapes', out, recipe, force)


def _add_scene_options(parser: argparse.ArgumentParser) -> None:
    """Add the options whose defaults depend on the scene."""
    objects, noise = (
        ', '.join(f'{getattr(SCENES[s], name)} for {s}' for s in SCENES)
        for name in ('objects', 'noise')
    )
    parser.add_argument(
        '--objects',
        type=int,
        nargs=2,
        metavar=('MIN', 'MAX'),
        default=argparse.SUPPRESS,
        help=f'shapes in an image (default: {objects})',
    )
    parser.add_argument(
        '--noise',
        type=float,
        default=argparse.SUPPRESS,
        help=f'standard deviation in grey levels (default: {noise})',
    )


def parse_args(argv: Sequence[str] = None) -> argparse.Namespace:
    """Parse the command line; ``args.recipe`` is the checked recipe."""
    default = DEFAULT_RECIPE
    parser = argparse.ArgumentParser(
        description='Write a small data set of shapes',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('format', choices=sorted(WRITERS))
    parser.add_argument('out', help='folder, new or written by this tool')
    parser.add_argument(
        '--scene',
        choices=sorted(SCENES),
        default=default.scene,
        help='what tells the classes apart: outline and colour, or texture',
    )
    for split in SPLIT_IDS:
        name = f'num_{split}'
        parser.add_argument(
            '--' + name.replace('_', '-'),
            type=int,
            default=getattr(default, name),
            help='number of images',
        )
    parser.add_argument(
        '--corrupt',
        action='store_true',
        help='write the test split a second time with corrupted images',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        default=default.size,
        help='in pixels',
    )
    parser.add_argument(
        '--seed', type=int, default=default.seed, help='of the random streams'
    )
    _add_scene_options(parser)
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a data set made with other arguments',
    )
    args = parser.parse_args(argv)
    names = [field.name for field in fields(Recipe) if field.name in args]
    values = {name: getattr(args, name) for name in names}
    for name in {'size', 'objects'} & values.keys():
        values[name] = tuple(values[name])
    try:
        args.recipe = Recipe(**values)
    except ValueError as error:
        parser.error(str(error))
    return args


def main(argv: Sequence[str] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    sys.path.append(str(Path(__file__).parents[2]))  # --corrupt, in a clone
    make = dict(coco=make_coco, cityscapes=make_cityscapes)[args.format]
    try:
        make(args.out, args.recipe, args.force)
    except OSError as error:
        raise SystemExit(f'make_shapes: {error}') from None


if __name__ == '__main__':
    main()
