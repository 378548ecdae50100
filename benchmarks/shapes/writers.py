"""Write one split of a data set of shapes, in COCO or Cityscapes format."""

import json
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

import cv2
import numpy as np

from .outlines import Instance, clip_outline
from .recipe import Recipe
from .scenes import SCENES

CITIES = dict(
    train=('aachen', 'bochum', 'bremen'),
    val=('frankfurt', 'lindau', 'munster'),
    test=('berlin', 'bielefeld', 'bonn'),
)
SPLIT_IDS = dict(train=1, val=2, test=3)
# of the common corruptions, those that leave the shapes where they are, at
# severities that leave most of them visible
CORRUPTIONS = (
    *('gaussian_noise', 'shot_noise', 'impulse_noise', 'defocus_blur'),
    *('motion_blur', 'brightness', 'contrast', 'fog', 'pixelate'),
    'jpeg_compression',
)
SEVERITIES = (1, 2, 3)
CORRUPTED = '_corrupted'  # ends the name of a corrupted split
MIN_VISIBLE = 0.2  # share of the whole shape, for an annotation
MIN_AREA = 16  # visible pixels, for an annotation


def annotate(
    instances: Sequence[Instance], size: Sequence[int], ids: Dict[str, int]
) -> Iterator[dict]:
    """Describe the well visible shapes of one image as COCO does.

    ``bbox`` and ``area`` are those of the visible pixels, ``segmentation`` is
    the whole shape inside the image.

    Args:
        instances (Sequence[Instance]): The shapes, of any number.
        size (Sequence[int]): Width and height of the image.
        ids (dict[str, int]): Category id of each ``Instance.shape``.

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
            category_id=ids[shape],
            bbox=list(cv2.boundingRect(mask.astype(np.uint8))),
            area=area,
            iscrowd=0,
            segmentation=[polygon.ravel().tolist()],
        )


def _draw_split(
    recipe: Recipe, split: str, kinds: Sequence[str]
) -> Iterator[tuple]:
    """Yield index, image and instances, each image from its own stream."""
    total = getattr(recipe, f'num_{split}')
    render = SCENES[recipe.scene].render
    for index in range(total):
        rng = np.random.default_rng((recipe.seed, SPLIT_IDS[split], index))
        yield (
            index,
            *render(rng, recipe.size, kinds, recipe.objects, recipe.noise),
        )
        if (index + 1) % 100 == 0 or index + 1 == total:
            print(f'{split}: {index + 1}/{total} images', flush=True)


def choose_corruption(index: int) -> Tuple[str, int]:
    """All kinds at severity 1, then at 2, at 3 and again.

    Args:
        index (int): Number of the image in its split, from 0.

    Returns:
        tuple[str, int]: Entries of ``CORRUPTIONS`` and ``SEVERITIES``.
    """
    level, kind = divmod(index, len(CORRUPTIONS))
    return CORRUPTIONS[kind], SEVERITIES[level % len(SEVERITIES)]


def _copies(
    recipe: Recipe, split: str, index: int, image: np.ndarray
) -> Iterator[Tuple[str, np.ndarray]]:
    """Yield the image and, where asked for, its corrupted copy.

    The strings go after the names of the split's folders.
    """
    yield '', image
    if recipe.corrupt and split == 'test':
        from mmfreekd.datasets.corruptions import corrupt

        kind, severity = choose_corruption(index)
        copy = corrupt(image, kind, severity, str(index), recipe.seed)
        yield CORRUPTED, copy


def _write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f'could not write {path}: is the disk full?')


def _write_annotations(
    path: Path,
    ids: Dict[str, int],
    images: List[dict],
    annotations: List[dict],
) -> None:
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
            for name, category_id in ids.items()
        ],
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def write_coco_split(out: Path, recipe: Recipe, split: str) -> None:
    """Write ``{split}2017`` and ``annotations/instances_{split}2017.json``.

    The corrupted copy of the test split, where the recipe asks for it, ends
    in ``_corrupted`` and has the same annotations; its images' entries also
    name their ``corruption`` and ``severity``.

    Args:
        out (Path): Existing folder of the data set.
        recipe (Recipe): What to draw.
        split (str): Key of ``SPLIT_IDS``.

    Raises:
        OSError: If a file cannot be written.
    """
    ids = SCENES[recipe.scene].coco
    width, height = recipe.size
    annotations, images = [], {}
    for index, image, instances in _draw_split(recipe, split, list(ids)):
        image_id = SPLIT_IDS[split] * 1000000 + index
        entry = dict(
            id=image_id,
            file_name=f'{image_id:012d}.jpg',
            width=width,
            height=height,
            license=1,
        )
        for end, copy in _copies(recipe, split, index, image):
            _write_image(out / f'{split}2017{end}' / entry['file_name'], copy)
            extra = {}
            if end:
                kind, severity = choose_corruption(index)
                extra = dict(corruption=kind, severity=severity)
            images.setdefault(end, []).append(dict(entry, **extra))
        for annotation in annotate(instances, recipe.size, ids):
            annotations.append(
                dict(id=len(annotations) + 1, image_id=image_id, **annotation)
            )
    for end, entries in images.items():
        path = out / 'annotations' / f'instances_{split}2017{end}.json'
        _write_annotations(path, ids, entries, annotations)


def write_cityscapes_split(out: Path, recipe: Recipe, split: str) -> None:
    """Write ``leftImg8bit/{split}`` and ``gtFine/{split}``.

    The corrupted copy of the test split, where the recipe asks for it, ends
    in ``_corrupted`` and has the same labels. Arguments and errors are those
    of :func:`write_coco_split`.
    """
    classes = SCENES[recipe.scene].cityscapes
    train_ids = {kind: i for i, kind in classes.values()}
    kinds = [kind for kind in train_ids if kind]
    width, height = recipe.size
    for index, image, instances in _draw_split(recipe, split, kinds):
        labels = np.full((height, width), train_ids[None], np.uint8)
        for instance in instances:
            labels[instance.mask] = train_ids[instance.shape]
        city = CITIES[split][index % len(CITIES[split])]
        stem = f'{city}/{city}_{index:06d}_000019'
        for end, copy in _copies(recipe, split, index, image):
            path = f'{split}{end}/{stem}'
            _write_image(out / f'leftImg8bit/{path}_leftImg8bit.png', copy)
            _write_image(
                out / f'gtFine/{path}_gtFine_labelTrainIds.png', labels
            )


WRITERS = dict(coco=write_coco_split, cityscapes=write_cityscapes_split)
