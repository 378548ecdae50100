"""Draw images of textured, overlapping shapes, with their masks.

A shape's kind shows in its outline and, less reliably, in its colour, which
is drawn around a typical one. Textures are random.

Sizes are (width, height).
"""

from typing import List, Sequence, Tuple

import cv2
import numpy as np
from shape_outlines import OUTLINES, Instance, draw_coverage, place_outline

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
    """Draw stripes or a checkerboard of random angle, period and tint.

    Returns:
        np.ndarray: ``(H, W, 3)`` offsets in grey levels, mean near 0.
    """
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 20)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    turn = 2 * np.pi / period
    wave = np.sin(turn * (x * np.cos(angle) + y * np.sin(angle)))
    if rng.random() < 0.5:
        wave = wave * np.sin(turn * (y * np.cos(angle) - x * np.sin(angle)))
    return np.tanh(3 * wave)[..., None] * rng.uniform(-22, 22, 3)


def draw_background(
    rng: np.random.Generator, size: Sequence[int]
) -> np.ndarray:
    """Draw a smooth random colour field with a pattern on it.

    Returns:
        np.ndarray: ``(H, W, 3)`` float image in grey levels.
    """
    seeds = rng.uniform(-40, 40, (4, 4, 3)) + rng.uniform(60, 195, 3)
    field = cv2.resize(seeds, tuple(size), interpolation=cv2.INTER_CUBIC)
    return field + draw_pattern(rng, size)


def paint_shape(
    rng: np.random.Generator,
    canvas: np.ndarray,
    shape: str,
    coverage: np.ndarray,
) -> np.ndarray:
    """Paint a shape in a colour that stands out from what it covers.

    Returns:
        np.ndarray: ``(H, W, 3)`` new canvas.
    """
    colours = rng.normal(COLOURS[shape], COLOUR_SPREAD, (8, 3))
    below = canvas[coverage > 0]
    # (8, 1, 3) - (pixels, 3) -> (8, pixels)
    contrast = np.linalg.norm(colours[:, None] - below, axis=-1)
    colour = colours[contrast.min(1).argmax()]
    paint = colour + draw_pattern(rng, canvas.shape[1::-1])
    return canvas + coverage[..., None] * (paint - canvas)


def expose(
    rng: np.random.Generator,
    canvas: np.ndarray,
    blurs: Sequence[float],
    noise: float,
) -> np.ndarray:
    """Blur a canvas a little, add noise and round.

    Args:
        rng (np.random.Generator): Source of the blur and of the noise.
        canvas (np.ndarray): ``(H, W, 3)`` float image in grey levels.
        blurs (Sequence[float]): Least and most standard deviation of the
            blur, in pixels.
        noise (float): Standard deviation of the noise, in grey levels.

    Returns:
        np.ndarray: ``(H, W, 3)`` uint8 image.
    """
    image = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(*blurs))
    image = image + rng.normal(0, noise, image.shape)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def render(
    rng: np.random.Generator,
    size: Sequence[int],
    shapes: Sequence[str],
    objects: Sequence[int] = (2, 6),
    noise: float = 12,
) -> Tuple[np.ndarray, List[Instance]]:
    """Draw one image of overlapping shapes, later ones on top.

    Args:
        rng (np.random.Generator): Source of every choice.
        size (Sequence[int]): Width and height of the image.
        shapes (Sequence[str]): Keys of ``OUTLINES`` to choose from.
        objects (Sequence[int]): Least and most shapes. Defaults to (2, 6).
        noise (float): Standard deviation of the pixel noise, in grey levels.
            Defaults to 12.

    Returns:
        tuple[np.ndarray, list[Instance]]: The ``(H, W, 3)`` uint8 image and
        its shapes, from the lowest to the topmost.
    """
    canvas = draw_background(rng, size)
    owner = np.full(canvas.shape[:2], -1)
    placed = []
    for index in range(rng.integers(*objects, endpoint=True)):
        shape = shapes[rng.integers(len(shapes))]
        diameter = max(rng.uniform(*SCALES) * min(size), MIN_DIAMETER)
        outline = place_outline(rng, OUTLINES[shape], diameter, size)
        coverage = draw_coverage(outline, size)
        canvas = paint_shape(rng, canvas, shape, coverage)
        owner[coverage >= 0.5] = index
        placed.append((shape, outline))
    return expose(rng, canvas, BLURS, noise), [
        Instance(shape, owner == index, outline)
        for index, (shape, outline) in enumerate(placed)
    ]
