"""Draw images of textured, overlapping shapes, with their masks.

A shape's kind shows in its outline and, less reliably, in its colour, which
is drawn around a typical one. Textures are random.

Convention: sizes are (width, height), outlines are (x, y) in pixels with the
image's corner at (0, 0) and the first pixel's centre at (0.5, 0.5).
"""

from typing import List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

CIRCLE = np.stack(
    [
        np.cos(np.linspace(0, 2 * np.pi, 40, endpoint=False)),
        np.sin(np.linspace(0, 2 * np.pi, 40, endpoint=False)),
    ],
    1,
)
BOX = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
# Outlines of a shape of diameter 2. A ring is one polygon: round the outside,
# over a bridge of no width, and back round the inside.
OUTLINES = dict(
    circle=CIRCLE,
    ellipse=CIRCLE * (1, 0.5),
    square=BOX * 0.7,
    rectangle=BOX * (0.85, 0.55),
    bar=BOX * (1, 0.22),
    triangle=np.array([[1, 0], [-0.6, 0.8], [-0.6, -0.8]]),
    star=CIRCLE[::4] * np.tile([1, 0.42], 5)[:, None],
    ring=np.concatenate(
        [CIRCLE, CIRCLE[:1], 0.55 * CIRCLE[:1], 0.55 * CIRCLE[::-1]]
    ),
)
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
SUPERSAMPLE = 8


class Instance(NamedTuple):
    """One drawn shape.

    ``shape`` is a key of ``OUTLINES``, ``mask`` the ``(H, W)`` bool mask of
    its visible pixels (empty where it is wholly covered) and ``outline`` the
    ``(P, 2)`` polygon of the whole shape, which may leave the image.
    """

    shape: str
    mask: np.ndarray
    outline: np.ndarray


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


def place_outline(
    rng: np.random.Generator, shape: str, size: Sequence[int]
) -> np.ndarray:
    """Stretch, scale, turn and move the outline of ``shape`` at random.

    Returns:
        np.ndarray: ``(P, 2)`` polygon whose centre lies inside the image.
    """
    diameter = max(rng.uniform(*SCALES) * min(size), MIN_DIAMETER)
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    outline = OUTLINES[shape] * (1, rng.uniform(0.85, 1)) * diameter / 2
    centre = rng.uniform(0.1, 0.9, 2) * size
    return outline @ np.array([[cos, sin], [-sin, cos]]) + centre


def draw_coverage(outline: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Measure how much of each pixel lies inside a polygon.

    Returns:
        np.ndarray: ``(H, W)`` float values in [0, 1].
    """
    fine = np.zeros((size[1] * SUPERSAMPLE, size[0] * SUPERSAMPLE), np.uint8)
    # fillPoly counts from pixel centres, in 1/16 pixel with shift=4
    points = np.rint((outline * SUPERSAMPLE - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(fine, [points], 255, shift=4)
    coverage = cv2.resize(fine, tuple(size), interpolation=cv2.INTER_AREA)
    return coverage / 255


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
        outline = place_outline(rng, shape, size)
        coverage = draw_coverage(outline, size)
        canvas = paint_shape(rng, canvas, shape, coverage)
        owner[coverage >= 0.5] = index
        placed.append((shape, outline))
    image = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.3, 0.8))
    image = image + rng.normal(0, noise, image.shape)
    return np.rint(image).clip(0, 255).astype(np.uint8), [
        Instance(shape, owner == index, outline)
        for index, (shape, outline) in enumerate(placed)
    ]


def clip_outline(outline: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Cut a polygon off at the image's four sides (Sutherland-Hodgman).

    Returns:
        np.ndarray: ``(Q, 2)`` polygon, empty when nothing is inside.
    """
    for axis, sign, limit in (
        (0, 1, 0),
        (0, -1, size[0]),
        (1, 1, 0),
        (1, -1, size[1]),
    ):
        depth = sign * (outline[:, axis] - limit)
        kept = []
        for p, q, p_depth, q_depth in zip(
            outline, np.roll(outline, -1, 0), depth, np.roll(depth, -1)
        ):
            if p_depth >= 0:
                kept.append(p)
            if p_depth * q_depth < 0:
                kept.append(p + (q - p) * p_depth / (p_depth - q_depth))
        outline = np.array(kept).reshape(-1, 2)
    return outline
