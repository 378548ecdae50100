"""Fine two-valued patterns, each of random angle, phase and period.

Periods in pixels stay a little above the two pixels of the sampling limit.
"""

from typing import Callable, Dict, Sequence

import cv2
import numpy as np

SUPERSAMPLE = 4
PERIODS = (3.6, 5.5)  # of stripes and rings
PITCHES = (3.8, 5.4)  # between the centres of dots
CELLS = (2.2, 3.4)  # side of a checkerboard's square
GRAINS = (1.5, 2.1)  # size of the noise's grains
SPOKES = (4, 6)  # least and most dark sectors


def _stripes(rng, x, y, limit):
    turn = 2 * np.pi / min(rng.uniform(*PERIODS), limit)
    return np.sin(turn * x + rng.uniform(0, 2 * np.pi))


def _checker(rng, x, y, limit):
    turn = np.pi / min(rng.uniform(*CELLS), limit / 2)
    a, b = rng.uniform(0, 2 * np.pi, 2)
    return np.sin(turn * x + a) * np.sin(turn * y + b)


def _dots(rng, x, y, limit):
    turn = 2 * np.pi / min(rng.uniform(*PITCHES), limit)
    a, b = rng.uniform(0, 2 * np.pi, 2)
    # above 0.6 the lattice's crests cover about three tenths of the plane
    return np.cos(turn * x + a) + np.cos(turn * y + b) - 0.6


def _rings(rng, x, y, limit):
    turn = 2 * np.pi / min(rng.uniform(*PERIODS), limit)
    return np.sin(turn * np.hypot(x, y) + rng.uniform(0, 2 * np.pi))


def _spokes(rng, x, y, limit):
    count = rng.integers(*SPOKES, endpoint=True)
    return np.sin(count * np.arctan2(y, x) + rng.uniform(0, 2 * np.pi))


def _noise(rng, x, y, limit):
    grain = rng.uniform(*GRAINS) * SUPERSAMPLE
    height, width = x.shape
    grains = rng.normal(size=(int(height / grain) + 2, int(width / grain) + 2))
    return cv2.resize(grains, (width, height), interpolation=cv2.INTER_CUBIC)


TEXTURES: Dict[str, Callable] = dict(
    stripes=_stripes,
    checker=_checker,
    dots=_dots,
    rings=_rings,
    spokes=_spokes,
    noise=_noise,
)


def draw_texture(
    rng: np.random.Generator,
    kind: str,
    outline: np.ndarray,
    size: Sequence[int],
) -> np.ndarray:
    """Draw a pattern of random angle, phase and period over an image.

    Args:
        rng (np.random.Generator): Source of every choice.
        kind (str): Key of ``TEXTURES``.
        outline (np.ndarray): ``(P, 2)`` polygon of the shape that wears it,
            in pixels: it is centred there, and small shapes get short
            periods.
        size (tuple[int, int]): Width and height of the image.

    Returns:
        np.ndarray: ``(H, W)`` float values in [-1, 1].
    """
    width, height = (side * SUPERSAMPLE for side in size)
    centre, angle = outline.mean(0), rng.uniform(0, 2 * np.pi)
    diameter = 2 * np.linalg.norm(outline - centre, axis=1).max()
    x, y = np.meshgrid(
        (np.arange(width) + 0.5) / SUPERSAMPLE - centre[0],
        (np.arange(height) + 0.5) / SUPERSAMPLE - centre[1],
    )
    cos, sin = np.cos(angle), np.sin(angle)
    wave = TEXTURES[kind](
        rng, x * cos + y * sin, y * cos - x * sin, diameter / 2.5
    )
    return cv2.resize(np.sign(wave), tuple(size), interpolation=cv2.INTER_AREA)
