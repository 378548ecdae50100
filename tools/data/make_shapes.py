"""Write a small data set of coloured shapes in COCO or Cityscapes format.

The stock ``CocoDataset`` of mmdet and ``CityscapesDataset`` of mmseg read the
result; give them ``metainfo=dict(classes=...)`` with the keys of
``COCO_CLASSES`` or ``CITYSCAPES_CLASSES``. To import this module, put its
folder on ``sys.path``.

Example:
    python tools/data/make_shapes.py coco data/shapes_coco
    python tools/data/make_shapes.py cityscapes data/shapes_city --size 256 128
"""

import argparse
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator, Sequence, Tuple

import cv2
import numpy as np
from shape_renderer import Instance, clip_outline, render

# Category ids with gaps, as in the real COCO.
COCO_CLASSES = dict(circle=1, square=2, triangle=4, star=7, bar=11, ring=13)
# Class name -> (real Cityscapes trainId, shape); road is the background.
CITYSCAPES_CLASSES = {
    'road': (0, None),
    'building': (2, 'rectangle'),
    'pole': (5, 'bar'),
    'traffic light': (6, 'circle'),
    'traffic sign': (7, 'triangle'),
    'car': (13, 'ellipse'),
}
CITIES = dict(
    train=('aachen', 'bochum', 'bremen'),
    val=('frankfurt', 'lindau', 'munster'),
)
SPLIT_IDS = dict(train=1, val=2)
FOLDERS = ('train2017', 'val2017', 'annotations', 'leftImg8bit', 'gtFine')
MIN_VISIBLE = 0.2  # share of the whole shape, for an annotation
MIN_AREA = 16  # visible pixels, for an annotation
GENERATOR = dict(generator='make_shapes', version=3)


@dataclass(frozen=True)
class Recipe:
    """What to draw; the same recipe always gives the same bytes.

    Args:
        num_train (int): Number of training images. Defaults to 400.
        num_val (int): Number of validation images. Defaults to 100.
        size (tuple[int, int]): Width and height, 32 or more each.
            Defaults to (128, 128).
        seed (int): Not negative. Defaults to 0.
        objects (tuple[int, int]): Least and most shapes in an image.
            Defaults to (2, 6).
        noise (float): Standard deviation of the Gaussian pixel noise, in
            grey levels. Defaults to 12.

    Raises:
        ValueError: If a value is out of its range.
    """

    num_train: int = 400
    num_val: int = 100
    size: Tuple[int, int] = (128, 128)
    seed: int = 0
    objects: Tuple[int, int] = (2, 6)
    noise: float = 12

    def __post_init__(self) -> None:
        for name in ('num_train', 'num_val'):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'{name} must be 1 or more, got '
                    f'{getattr(self, name)}: mmengine cannot '
                    'load an empty split'
                )
        if min(self.size) < 32:
            raise ValueError(
                'size (width height) must be 32 or more each, '
                f'got {tuple(self.size)}: smaller images leave '
                'no room for distinct shapes'
            )
        if not 1 <= self.objects[0] <= self.objects[1]:
            raise ValueError(
                'objects must be 1 <= MIN <= MAX, got '
                f'{tuple(self.objects)}: give the smaller '
                'number first'
            )
        for name in ('seed', 'noise'):
            if getattr(self, name) < 0:
                raise ValueError(
                    f'{name} must be 0 or more, got {getattr(self, name)}'
                )


def annotate(
    instances: Sequence[Instance], size: Sequence[int]
) -> Iterator[dict]:
    """Describe the well visible shapes of one image as COCO does.

    ``bbox`` and ``area`` are those of the visible pixels, ``segmentation`` is
    the whole shape inside the image.

    Yields:
        dict: An annotation without ``id`` and ``image_id``.
    """
    for shape, mask, outline in instances:
        area = int(mask.sum())
        whole = cv2.contourArea(outline.astype(np.float32))
        if area < max(MIN_AREA, MIN_VISIBLE * whole):
            continue
        polygon = clip_outline(outline, size).round(2)
        yield dict(
            category_id=COCO_CLASSES[shape],
            bbox=list(cv2.boundingRect(mask.astype(np.uint8))),
            area=area,
            iscrowd=0,
            segmentation=[polygon.ravel().tolist()],
        )


def _draw_split(
    recipe: Recipe, split: str, shapes: Sequence[str]
) -> Iterator[tuple]:
    """Yield index, image and instances, each image from its own stream."""
    total = getattr(recipe, f'num_{split}')
    for index in range(total):
        rng = np.random.default_rng((recipe.seed, SPLIT_IDS[split], index))
        yield (
            index,
            *render(rng, recipe.size, shapes, recipe.objects, recipe.noise),
        )
        if (index + 1) % 100 == 0 or index + 1 == total:
            print(f'{split}: {index + 1}/{total} images', flush=True)


def _write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f'could not write {path}: is the disk full?')


def _write_coco_split(out: Path, recipe: Recipe, split: str) -> None:
    images, annotations = [], []
    for index, image, instances in _draw_split(
        recipe, split, list(COCO_CLASSES)
    ):
        image_id = SPLIT_IDS[split] * 1000000 + index
        name = f'{image_id:012d}.jpg'
        _write_image(out / f'{split}2017' / name, image)
        width, height = recipe.size
        images.append(
            dict(
                id=image_id,
                file_name=name,
                width=width,
                height=height,
                license=1,
            )
        )
        for annotation in annotate(instances, recipe.size):
            annotations.append(
                dict(id=len(annotations) + 1, image_id=image_id, **annotation)
            )
    content = dict(
        info=dict(
            description='Shapes drawn by make_shapes.py',
            year=2017,
            version='1.0',
            contributor='',
            url='',
            date_created='',
        ),
        licenses=[dict(id=1, name='Apache-2.0', url='')],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=category_id, name=name, supercategory='shape')
            for name, category_id in COCO_CLASSES.items()
        ],
    )
    path = out / 'annotations' / f'instances_{split}2017.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def _write_cityscapes_split(out: Path, recipe: Recipe, split: str) -> None:
    train_ids = {shape: i for i, shape in CITYSCAPES_CLASSES.values()}
    shapes = [shape for shape in train_ids if shape]
    width, height = recipe.size
    for index, image, instances in _draw_split(recipe, split, shapes):
        labels = np.full((height, width), train_ids[None], np.uint8)
        for instance in instances:
            labels[instance.mask] = train_ids[instance.shape]
        city = CITIES[split][index % len(CITIES[split])]
        stem = f'{split}/{city}/{city}_{index:06d}_000019'
        _write_image(out / 'leftImg8bit' / f'{stem}_leftImg8bit.png', image)
        _write_image(
            out / 'gtFine' / f'{stem}_gtFine_labelTrainIds.png', labels
        )


WRITERS = dict(coco=_write_coco_split, cityscapes=_write_cityscapes_split)


def _check_replaceable(
    out: Path, found: dict, meta: dict, force: bool
) -> None:
    if found.get('generator') != GENERATOR['generator']:
        raise FileExistsError(
            f'OUT must be a new or empty folder, but {out} holds files that '
            'make_shapes did not write: give another folder'
        )
    if not force:
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
    """Write both splits; ``meta.json.part`` marks a run under way."""
    out = Path(out)
    done, part = out / 'meta.json', out / 'meta.json.part'
    # through JSON, so that tuples compare equal to what was read back
    meta = json.loads(
        json.dumps(dict(GENERATOR, format=style, **asdict(recipe)))
    )
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
    print(
        f'{style}: {recipe.num_train} train and {recipe.num_val} val '
        f'images to {out}',
        flush=True,
    )
    for split in SPLIT_IDS:
        WRITERS[style](out, recipe, split)
    os.replace(part, done)
    return True


def make_coco(
    out: Path, recipe: Recipe = Recipe(), force: bool = False
) -> bool:
    """Write a COCO data set: ``{train,val}2017`` and ``annotations``.

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
    out: Path, recipe: Recipe = Recipe(), force: bool = False
) -> bool:
    """Write a Cityscapes data set: ``leftImg8bit`` and ``gtFine``.

    Arguments, return value and errors are those of :func:`make_coco`.
    """
    return _make('cityscapes', out, recipe, force)


def parse_args(argv: Sequence[str] = None) -> argparse.Namespace:
    """Parse the command line; ``args.recipe`` is the checked recipe."""
    default = Recipe()
    parser = argparse.ArgumentParser(
        description='Write a small data set of coloured shapes',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('format', choices=sorted(WRITERS))
    parser.add_argument('out', help='folder, new or written by this tool')
    parser.add_argument('--num-train', type=int, default=default.num_train)
    parser.add_argument('--num-val', type=int, default=default.num_val)
    parser.add_argument(
        '--size', type=int, nargs=2, metavar=('W', 'H'), default=default.size
    )
    parser.add_argument('--seed', type=int, default=default.seed)
    parser.add_argument(
        '--objects',
        type=int,
        nargs=2,
        metavar=('MIN', 'MAX'),
        default=default.objects,
    )
    parser.add_argument(
        '--noise',
        type=float,
        default=default.noise,
        help='standard deviation in grey levels',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a data set made with other arguments',
    )
    args = parser.parse_args(argv)
    try:
        args.recipe = Recipe(
            args.num_train,
            args.num_val,
            tuple(args.size),
            args.seed,
            tuple(args.objects),
            args.noise,
        )
    except ValueError as error:
        parser.error(str(error))
    return args


def main(argv: Sequence[str] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    make = dict(coco=make_coco, cityscapes=make_cityscapes)[args.format]
    try:
        make(args.out, args.recipe, args.force)
    except OSError as error:
        raise SystemExit(f'make_shapes: {error}') from None


if __name__ == '__main__':
    main()
