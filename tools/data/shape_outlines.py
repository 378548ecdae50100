"""Outlines of the shapes: how they are placed, rasterised and cut off.

Convention: sizes are (width, height), outlines are (x, y) in pixels with the
image's corner at (0, 0) and the first pixel's centre at (0.5, 0.5).
"""

from typing import NamedTuple, Sequence

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


def place_outline(
    rng: np.random.Generator,
    outline: np.ndarray,
    diameter: float,
    size: Sequence[int],
) -> np.ndarray:
    """Stretch, scale, turn and move an outline at random.

    Args:
        rng (np.random.Generator): Source of the choices.
        outline (np.ndarray): ``(P, 2)`` polygon of diameter 2.
        diameter (float): The new one, in pixels.
        size (Sequence[int]): Width and height of the image.

    Returns:
        np.ndarray: ``(P, 2)`` polygon whose centre lies inside the image.
    """
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    outline = outline * (1, rng.uniform(0.85, 1)) * diameter / 2
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
