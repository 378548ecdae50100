"""Link CamVid into MMSegmentation's form.

The originals: ``images/{train,val,test}`` and ``labels/{train,val,test}``,
labels as PNG of the class indices, 255 for void. Also writes the list of the
test images of sequence Seq05VD, the only one without frames in train.
"""

from pathlib import Path

from .folders import files_of, fingerprint, link, parse_args

FOLDERS = dict(images='img_dir', labels='ann_dir')
UNSEEN = 'Seq05VD'


def prepare(source: Path, out: Path) -> None:
    """Link the images and labels of all splits, write the extra list."""
    for split in ('train', 'val', 'test'):
        names = {}
        for kind, folder in FOLDERS.items():
            files = files_of(source / kind / split)
            names[kind] = {path.stem for path in files}
            for path in files:
                link(path, out / folder / split / path.name)
        lonely = names['images'] ^ names['labels']
        if lonely:
            raise SystemExit(
                f'{source}, {split}: expected a label for each image and an '
                f'image for each label, but not for {sorted(lonely)[:3]}'
            )
    unseen = sorted(n for n in names['images'] if n.startswith(UNSEEN))
    (out / 'test_unseen.txt').write_text('\n'.join(unseen) + '\n')


if __name__ == '__main__':
    args = parse_args(__doc__)
    prepare(args.source, args.out)
    print(f'{args.out}: fingerprint {fingerprint(args.out)}')
