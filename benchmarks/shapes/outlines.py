"""Outlines of the shapes: how they are placed, rasterised and clipped.

Convention: sizes are (width, height), outlines are ``(P, 2)`` arrays of (x, y)
in pixels with the image's corner at (0, 0) and the first pixel's centre at
(0.5, 0.5).
"""

from typing import Callable, List, NamedTuple, Sequence, Tuple

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
# Outlines of diameter 2. A ring is one polygon: round the outside, over a
# bridge of no width, and back round the inside.
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
SUPERSAMPLE = 8


class Instance(NamedTuple):
    """A drawn shape.

    Attributes:
        shape (str): Its kind.
        mask (np.ndarray): ``(H, W)`` bool, the visible pixels.
        outline (np.ndarray): The whole shape, which may leave the image.
    """

    shape: str
    mask: np.ndarray
    outline: np.ndarray


def place_outline(
    rng: np.random.Generator,
    outline: np.ndarray,
    diameter: float,
    size: Sequence[int],
) -> np.ndarray:
    """Stretch, scale, rotate and move an outline of diameter 2 at random."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    outline = outline * (1, rng.uniform(0.85, 1)) * diameter / 2
    centre = rng.uniform(0.1, 0.9, 2) * size
    return outline @ np.array([[cos, sin], [-sin, cos]]) + centre


def draw_coverage(outline: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The share of each pixel inside a polygon, ``(H, W)`` in [0, 1]."""
    fine = np.zeros((size[1] * SUPERSAMPLE, size[0] * SUPERSAMPLE), np.uint8)
    # fillPoly counts from pixel centres, in 1/16 pixel with shift=4
    points = np.rint((outline * SUPERSAMPLE - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(fine, [points], 255, shift=4)
    coverage = cv2.resize(fine, tuple(size), interpolation=cv2.INTER_AREA)
    return coverage / 255


def draw_shapes(
    rng: np.random.Generator,
    canvas: np.ndarray,
    kinds: Sequence[str],
    objects: Sequence[int],
    choose: Callable[[str], Tuple[float, np.ndarray]],
    paint: Callable[..., np.ndarray],
) -> Tuple[np.ndarray, List[Instance]]:
    """Draw overlapping shapes on a canvas, later ones on top.

    Args:
        rng (np.random.Generator): Source of every choice.
        canvas (np.ndarray): ``(H, W, 3)``.
        kinds (list[str]): The kinds to choose from.
        objects (tuple[int, int]): Least and most shapes.
        choose (Callable): From a kind to a diameter and an outline of
            diameter 2.
        paint (Callable): Takes canvas, kind, outline and coverage.

    Returns:
        tuple[np.ndarray, list[Instance]]: The canvas and its shapes.
    """
    size = canvas.shape[1::-1]
    owner = np.full(canvas.shape[:2], -1)
    placed = []
    for index in range(rng.integers(*objects, endpoint=True)):
        kind = kinds[rng.integers(len(kinds))]
        diameter, shape = choose(kind)
        outline = place_outline(rng, shape, diameter, size)
        coverage = draw_coverage(outline, size)
        canvas = paint(canvas, kind, outline, coverage)
        owner[coverage >= 0.5] = index
        placed.append((kind, outline))
    return canvas, [
        Instance(kind, owner == index, outline)
        for index, (kind, outline) in enumerate(placed)
    ]


def most_contrast(
    colours: np.ndarray, canvas: np.ndarray, coverage: np.ndarray
) -> np.ndarray:
    """The colour, of several, that stands out most from what it covers."""
    below = canvas[coverage > 0]
    # (K, 1, 3) - (pixels, 3) -> (K, pixels)
    contrast = np.linalg.norm(colours[:, None] - below, axis=-1)
    return colours[contrast.min(1).argmax()]


def expose(
    rng: np.random.Generator,
    canvas: np.ndarray,
    blurs: Sequence[float],
    noise: float,
) -> np.ndarray:
    """Blur a canvas a little, add noise and round to uint8."""
    image = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(*blurs))
    image = image + rng.normal(0, noise, image.shape)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def clip_outline(outline: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Clip a polygon to the image (Sutherland-Hodgman); may be empty."""
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
