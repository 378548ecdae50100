"""Scenes whose classes differ in fine texture.

A kind of shape is either a texture, in any of the outlines, or a thin outline
in one colour. Colours are a weak hint. The background is cluttered with
unlabelled flat shapes and hair lines; much is small, covered or dim.
"""

from typing import List, Sequence, Tuple

import cv2
import numpy as np

from .outlines import (
    BOX,
    CIRCLE,
    OUTLINES,
    Instance,
    draw_coverage,
    draw_shapes,
    expose,
    most_contrast,
    place_outline,
)
from .textures import TEXTURES, draw_texture

SOLIDS = ('circle', 'ellipse', 'square', 'rectangle', 'triangle', 'star')
THIN = ('cross', 'frame', 'bar')
KINDS = (*TEXTURES, *THIN)
COLOURS = dict(
    stripes=(152, 104, 104),
    checker=(104, 152, 104),
    dots=(104, 104, 152),
    rings=(152, 152, 104),
    spokes=(152, 104, 152),
    noise=(104, 152, 152),
    cross=(152, 152, 152),
    frame=(104, 104, 104),
    bar=(128, 128, 128),
)
COLOUR_SPREAD = 40  # standard deviation around them, in grey levels
SCALES = (0.2, 0.65)  # diameter of a shape / shorter side of the image
WIDTHS = (2, 3)  # of thin outlines, in pixels
FRAMES = (4, 5, 8, 40)  # corners
CONTRASTS = (28, 60)  # from a texture's mean to its extremes, in grey levels
TINT = 15  # standard deviation of the extremes' colours, in grey levels
BLURS = (0.2, 0.6)  # standard deviation in pixels
LIGHT = 0.3  # share of the light lost or gained at the image's sides


def thin_outline(
    rng: np.random.Generator, kind: str, diameter: float
) -> np.ndarray:
    """An outline of diameter 2 that will be 2 to 3 pixels wide.

    Args:
        rng (np.random.Generator): Source of the width and of the frame.
        kind (str): One of ``THIN``.
        diameter (float): The later one, in pixels.

    Returns:
        np.ndarray: ``(P, 2)`` polygon.
    """
    half = min(rng.uniform(*WIDTHS), diameter / 3.5) / diameter
    if kind == 'bar':
        return BOX * (1, half)
    if kind == 'cross':
        arm = np.array([[1, -half], [1, half], [half, half]])
        turn = np.array([[0, 1], [-1, 0]])
        return np.concatenate(
            [arm @ np.linalg.matrix_power(turn, i) for i in range(4)]
        )
    corners = CIRCLE[:: len(CIRCLE) // rng.choice(FRAMES)]
    inner = 1 - 2 * half / np.cos(np.pi / len(corners))
    return np.concatenate(
        [corners, corners[:1], inner * corners[:1], inner * corners[::-1]]
    )


class Painter:
    """Draws the parts of one image.

    Args:
        rng (np.random.Generator): Source of every choice.
        size (tuple[int, int]): Width and height of the image.
    """

    def __init__(self, rng: np.random.Generator, size: Sequence[int]) -> None:
        self.rng = rng
        self.size = tuple(size)

    def diameter(self) -> float:
        """A diameter in pixels; small ones are as likely as large ones."""
        return np.exp(self.rng.uniform(*np.log(SCALES))) * min(self.size)

    def solid(self) -> np.ndarray:
        """One of the solid outlines."""
        return OUTLINES[SOLIDS[self.rng.integers(len(SOLIDS))]]

    def background(self) -> np.ndarray:
        """A rough colour field with flat shapes and hair lines on it."""
        rng, size = self.rng, self.size
        canvas = np.zeros((size[1], size[0], 3)) + rng.uniform(70, 185, 3)
        for cells, amplitude in ((4, 20), (8, 14), (16, 8)):
            field = rng.normal(0, amplitude, (cells, cells, 3))
            canvas += cv2.resize(field, size, interpolation=cv2.INTER_CUBIC)
        for _ in range(rng.integers(3, 7)):
            shape = self.solid()
            outline = place_outline(rng, shape, self.diameter(), size)
            coverage = draw_coverage(outline, size)[..., None]
            canvas += coverage * rng.uniform(-40, 40, 3)
        for _ in range(rng.integers(2, 5)):
            ends = np.rint(rng.uniform(0, 1, (2, 2)) * size * 16).astype(int)
            line = np.zeros(canvas.shape[:2], np.uint8)
            cv2.line(line, *ends.tolist(), 255, 1, cv2.LINE_AA, 4)
            canvas += line[..., None] / 255 * rng.uniform(-50, 50, 3)
        return canvas

    def choose(self, kind: str) -> Tuple[float, np.ndarray]:
        """Diameter and outline of a shape."""
        diameter = self.diameter()
        if kind in TEXTURES:
            return diameter, self.solid()
        return diameter, thin_outline(self.rng, kind, diameter)

    def paint(
        self,
        canvas: np.ndarray,
        kind: str,
        outline: np.ndarray,
        coverage: np.ndarray,
    ) -> np.ndarray:
        """Paint a shape in a colour that stands out from what it covers."""
        rng = self.rng
        colours = rng.normal(COLOURS[kind], COLOUR_SPREAD, (4, 3))
        coat = most_contrast(colours, canvas, coverage)
        if kind in TEXTURES:
            step = rng.choice([-1, 1]) * rng.uniform(*CONTRASTS)
            step = step + rng.normal(0, TINT, 3)
            texture = draw_texture(rng, kind, outline, self.size)
            coat = coat + texture[..., None] * step
        return canvas + coverage[..., None] * (coat - canvas)

    def shade(self, canvas: np.ndarray) -> np.ndarray:
        """Light a canvas from a random side."""
        rng, (columns, rows) = self.rng, self.size
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, LIGHT)
        x, y = np.meshgrid(
            np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)
        )
        light = 1 + strength * (x * np.cos(angle) + y * np.sin(angle))
        return canvas * light[..., None]


def render(
    rng: np.random.Generator,
    size: Sequence[int],
    kinds: Sequence[str],
    objects: Sequence[int] = (4, 8),
    noise: float = 6,
) -> Tuple[np.ndarray, List[Instance]]:
    """Draw one image; as :func:`benchmarks.shapes.plain.render`."""
    painter = Painter(rng, size)
    canvas, instances = draw_shapes(
        rng,
        painter.background(),
        kinds,
        objects,
        painter.choose,
        painter.paint,
    )
    return expose(rng, painter.shade(canvas), BLURS, noise), instances
