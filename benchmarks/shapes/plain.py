"""Scenes whose classes differ in outline and, less reliably, in colour."""

from typing import List, Sequence, Tuple

import cv2
import numpy as np

from .outlines import OUTLINES, Instance, draw_shapes, expose, most_contrast

COLOURS = dict(
    circle=(200, 70, 70),
    ellipse=(200, 70, 190),
    square=(70, 190, 70),
    rectangle=(70, 170, 90),
    bar=(200, 200, 60),
    triangle=(60, 90, 210),
    star=(190, 70, 190),
    ring=(70, 190, 190),
)
COLOUR_SPREAD = 30  # standard deviation around them, in grey levels
SCALES = (0.15, 0.5)  # diameter of a shape / shorter side of the image
MIN_DIAMETER = 12
BLURS = (0.3, 0.8)  # standard deviation in pixels


def draw_pattern(rng: np.random.Generator, size: Sequence[int]) -> np.ndarray:
    """Stripes or a checkerboard, ``(H, W, 3)`` offsets in grey levels."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 20)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    turn = 2 * np.pi / period
    wave = np.sin(turn * (x * np.cos(angle) + y * np.sin(angle)))
    if rng.random() < 0.5:
        wave = wave * np.sin(turn * (y * np.cos(angle) - x * np.sin(angle)))
    return np.tanh(3 * wave)[..., None] * rng.uniform(-22, 22, 3)


def render(
    rng: np.random.Generator,
    size: Sequence[int],
    kinds: Sequence[str],
    objects: Sequence[int] = (2, 6),
    noise: float = 12,
) -> Tuple[np.ndarray, List[Instance]]:
    """Draw one image.

    Args:
        rng (np.random.Generator): Source of every choice.
        size (tuple[int, int]): Width and height of the image.
        kinds (list[str]): Keys of ``OUTLINES`` to choose from.
        objects (tuple[int, int]): Least and most shapes. Defaults to (2, 6).
        noise (float): Standard deviation of the pixel noise, in grey levels.
            Defaults to 12.

    Returns:
        tuple[np.ndarray, list[Instance]]: The ``(H, W, 3)`` uint8 image and
        its shapes, from the lowest to the topmost.
    """

    def choose(kind: str) -> Tuple[float, np.ndarray]:
        diameter = rng.uniform(*SCALES) * min(size)
        return max(diameter, MIN_DIAMETER), OUTLINES[kind]

    def paint(canvas, kind, outline, coverage) -> np.ndarray:
        colours = rng.normal(COLOURS[kind], COLOUR_SPREAD, (8, 3))
        coat = most_contrast(colours, canvas, coverage)
        coat = coat + draw_pattern(rng, size)
        return canvas + coverage[..., None] * (coat - canvas)

    seeds = rng.uniform(-40, 40, (4, 4, 3)) + rng.uniform(60, 195, 3)
    field = cv2.resize(seeds, tuple(size), interpolation=cv2.INTER_CUBIC)
    canvas = field + draw_pattern(rng, size)
    drawn = draw_shapes(rng, canvas, kinds, objects, choose, paint)
    return expose(rng, drawn[0], BLURS, noise), drawn[1]
