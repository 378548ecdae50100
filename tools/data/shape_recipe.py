"""What a data set of shapes is made of: its kind of scene and its numbers."""

from dataclasses import dataclass
from typing import Callable, Dict, NamedTuple, Optional, Tuple

import shape_renderer
import textured_renderer


class Scene(NamedTuple):
    """A way to draw images, with its classes.

    ``version`` changes with the drawn bytes. ``coco`` maps class names, which
    are the renderer's kinds of shapes, to category ids with gaps, as in the
    real COCO. ``cityscapes`` maps class names to the real Cityscapes trainId
    and the renderer's kind, None for the background. ``render`` has the
    arguments and results of :func:`shape_renderer.render`; ``objects`` and
    ``noise`` are its defaults.
    """

    version: int
    coco: Dict[str, int]
    cityscapes: Dict[str, Tuple[int, Optional[str]]]
    render: Callable
    objects: Tuple[int, int]
    noise: float


SCENES = dict(
    plain=Scene(
        version=3,
        coco=dict(circle=1, square=2, triangle=4, star=7, bar=11, ring=13),
        cityscapes={
            'road': (0, None),
            'building': (2, 'rectangle'),
            'pole': (5, 'bar'),
            'traffic light': (6, 'circle'),
            'traffic sign': (7, 'triangle'),
            'car': (13, 'ellipse'),
        },
        render=shape_renderer.render,
        objects=(2, 6),
        noise=12,
    ),
    textured=Scene(
        version=4,
        coco=dict(
            stripes=1,
            checker=3,
            dots=4,
            rings=6,
            spokes=9,
            noise=10,
            cross=14,
            frame=17,
        ),
        cityscapes={
            'road': (0, None),
            'building': (2, 'checker'),
            'fence': (4, 'stripes'),
            'pole': (5, 'bar'),
            'traffic light': (6, 'dots'),
            'traffic sign': (7, 'rings'),
            'vegetation': (8, 'noise'),
            'car': (13, 'spokes'),
        },
        render=textured_renderer.render,
        objects=(4, 8),
        noise=6,
    ),
)


@dataclass(frozen=True)
class Recipe:
    """What to draw; the same recipe always gives the same bytes.

    Args:
        num_train (int): Number of training images. Defaults to 400.
        num_val (int): Number of validation images. Defaults to 100.
        size (tuple[int, int]): Width and height, 32 or more each.
            Defaults to (128, 128).
        seed (int): Not negative. Defaults to 0.
        objects (tuple[int, int], optional): Least and most shapes in an
            image. Defaults to None, which takes the scene's: (2, 6) for
            plain, (4, 8) for textured.
        noise (float, optional): Standard deviation of the Gaussian pixel
            noise, in grey levels. Defaults to None, which takes the scene's:
            12 for plain, 6 for textured.
        scene (str): Key of ``SCENES``. Defaults to 'plain'.
        num_test (int): Number of test images. Defaults to 0: no test split.
        corrupt (bool): Whether to write the test split a second time with
            corrupted images. Defaults to False.

    Raises:
        ValueError: If a value is out of its range.
    """

    num_train: int = 400
    num_val: int = 100
    size: Tuple[int, int] = (128, 128)
    seed: int = 0
    objects: Optional[Tuple[int, int]] = None
    noise: Optional[float] = None
    scene: str = 'plain'
    num_test: int = 0
    corrupt: bool = False

    def __post_init__(self) -> None:
        if self.scene not in SCENES:
            raise ValueError(
                f'scene must be one of {", ".join(SCENES)}, got {self.scene!r}'
            )
        for name in ('objects', 'noise'):
            if getattr(self, name) is None:
                value = getattr(SCENES[self.scene], name)
                object.__setattr__(self, name, value)  # frozen
        self._check_splits()
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

    def _check_splits(self) -> None:
        for name in ('num_train', 'num_val'):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'{name} must be 1 or more, got '
                    f'{getattr(self, name)}: mmengine cannot '
                    'load an empty split'
                )
        if self.num_test < 0:
            raise ValueError(
                f'num_test must be 0 or more, got {self.num_test}'
            )
        if self.corrupt and not self.num_test:
            raise ValueError(
                'corrupt needs num_test of 1 or more: it is the test images '
                'that are corrupted'
            )
