"""The kinds of scenes and their classes."""

from typing import Callable, Dict, NamedTuple, Optional, Tuple

from . import plain, textured


class Scene(NamedTuple):
    """A way to draw images, with its classes.

    Attributes:
        version (int): Changes with the drawn bytes.
        coco (dict): From kinds of shapes to category ids, with gaps as in
            the real COCO.
        cityscapes (dict): From class names to the real trainId and a kind of
            shape, None for the background.
        render (Callable): As :func:`benchmarks.shapes.plain.render`.
        objects (tuple[int, int]), noise (float): Its defaults.
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
        render=plain.render,
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
        render=textured.render,
        objects=(4, 8),
        noise=6,
    ),
)
