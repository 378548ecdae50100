"""Draw the frequency masks and band energies of one image.

Takes the config and a checkpoint of either stage; writes a picture for each
pyramid level.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cli import (  # noqa: E402
    UsageError,
    add_common_arguments,
    load_config,
    need_checkpoint,
    run,
)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of stage 1 or stage 2')
    parser.add_argument('checkpoint', help='a checkpoint of its training')
    parser.add_argument('image', help='the image')
    parser.add_argument(
        '--out', help='folder of the pictures. Defaults to the work_dir'
    )
    add_common_arguments(parser)
    return parser.parse_args(args)


def load_image(cfg, image: str) -> dict:
    """An image as the test data set of a config would give it.

    Raises:
        UsageError: If there is no such image.
    """
    from mmcv.transforms import Compose

    if not Path(image).is_file():
        raise UsageError(f'an image was expected, but there is no {image!r}')
    steps = [
        step
        for step in cfg.test_dataloader.dataset.pipeline
        if 'LoadAnnotations' not in step['type']
    ]
    return Compose(steps)(
        dict(img_path=image, img_id=0, instances=[], seg_fields=[])
    )


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    import cv2
    from mmengine.registry import init_default_scope
    from mmengine.runner import load_checkpoint

    from mmfreekd.engine.hooks.frequency_pictures import draw
    from mmfreekd.engine.hooks.frequency_views import frequency_views
    from mmfreekd.registry import MODELS

    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)
    load_checkpoint(model, need_checkpoint(args.checkpoint), 'cpu')
    data = load_image(cfg, args.image)
    picture = data['inputs'].permute(1, 2, 0).flip(2).numpy()
    folder = Path(args.out or cfg.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(args.image).stem
    for view in frequency_views(model, data):
        path = folder / f'frequency_{view.name}_{name}.png'
        cv2.imwrite(str(path), draw(picture, view, name)[..., ::-1])
        print(path)


if __name__ == '__main__':
    run(main)
