"""The folder of a data set of shapes: made once, never over others' files."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from .recipe import Recipe
from .scenes import SCENES
from .writers import SPLIT_IDS, WRITERS

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
# left out of meta.json where they have these values, as in older data sets
LATER_KEYS = dict(scene='plain', num_test=0, corrupt=False)


def describe(style: str, recipe: Recipe) -> dict:
    """The content of ``meta.json``, as it is when read back."""
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


def make(style: str, out: Path, recipe: Recipe, force: bool = False) -> bool:
    """Write a data set; ``meta.json.part`` marks a run under way.

    Args:
        style (str): ``'coco'``: ``{train,val,test}2017`` and
            ``annotations``; ``'cityscapes'``: ``leftImg8bit`` and ``gtFine``.
        out (Path): Folder, new or written by this function.
        recipe (Recipe): What to draw.
        force (bool): Whether to replace a data set made with other
            arguments. Defaults to False.

    Returns:
        bool: False if ``out`` already holds exactly this data set.

    Raises:
        FileExistsError: If ``out`` holds anything else.
        OSError: If a file cannot be written.
    """
    out = Path(out)
    done, part = out / 'meta.json', out / 'meta.json.part'
    meta = describe(style, recipe)
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
    for split in SPLIT_IDS:
        if getattr(recipe, f'num_{split}'):
            print(f'{style}: {split} images to {out}', flush=True)
            WRITERS[style](out, recipe, split)
    os.replace(part, done)
    return True


def _check_replaceable(
    out: Path, found: dict, meta: dict, force: bool
) -> None:
    if found.get('generator') != GENERATOR:
        raise FileExistsError(
            f'OUT must be a new or empty folder, but {out} holds files that '
            'benchmarks.shapes did not write: give another folder'
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
