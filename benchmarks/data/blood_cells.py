"""Link the blood cells into COCO's form.

The originals: ``{train,val,test}`` with the images and
``annotations/{train,val,test}.json``.
"""

import json
from pathlib import Path

from .folders import files_of, fingerprint, link, parse_args


def prepare(source: Path, out: Path) -> None:
    """Link the images and annotations of all splits."""
    for split in ('train', 'val', 'test'):
        annotations = source / 'annotations' / f'{split}.json'
        there = {path.name: path for path in files_of(source / split)}
        images = json.loads(annotations.read_text())['images']
        missing = {image['file_name'] for image in images} - there.keys()
        if missing:
            raise SystemExit(
                f'{annotations} names images that are not in '
                f'{source / split}, such as {sorted(missing)[:3]}: expected '
                'the images beside their annotations'
            )
        link(annotations, out / 'annotations' / annotations.name)
        for name, path in there.items():
            link(path, out / split / name)


if __name__ == '__main__':
    args = parse_args(__doc__)
    prepare(args.source, args.out)
    print(f'{args.out}: fingerprint {fingerprint(args.out)}')
