"""Draw scenes in which fine texture tells the classes apart.

A kind of shape is either a texture, in any of the outlines, or a thin outline
in one colour. Colours are a hint and no more: they scatter widely around
typical ones. Below and between them lies a
cluttered background with unlabelled flat shapes and hair lines. Much is
small, covered or dim. Sizes are (width, height).
"""

from typing import List, Sequence, Tuple

import cv2
import numpy as np
from shape_outlines import (
    BOX,
    CIRCLE,
    OUTLINES,
    Instance,
    draw_coverage,
    place_outline,
)
from shape_renderer import expose
from textures import TEXTURES, draw_texture

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
LIGHT = 0.3  # share of the light that is lost or won at the image's sides


def draw_diameter(rng: np.random.Generator, size: Sequence[int]) -> float:
    """Draw a diameter in pixels; small ones are as likely as large ones.

    Returns:
        float: Within ``SCALES`` of the shorter side.
    """
    return np.exp(rng.uniform(*np.log(SCALES))) * min(size)


def thin_outline(
    rng: np.random.Generator, kind: str, diameter: float
) -> np.ndarray:
    """Make an outline of diameter 2 that will be 2 to 3 pixels wide.

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


def draw_background(
    rng: np.random.Generator, size: Sequence[int]
) -> np.ndarray:
    """Draw a rough colour field with flat shapes and hair lines on it.

    Returns:
        np.ndarray: ``(H, W, 3)`` float image in grey levels.
    """
    canvas = np.zeros((size[1], size[0], 3)) + rng.uniform(70, 185, 3)
    for cells, amplitude in ((4, 20), (8, 14), (16, 8)):
        field = rng.normal(0, amplitude, (cells, cells, 3))
        canvas += cv2.resize(field, tuple(size), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.integers(3, 7)):
        shape = OUTLINES[SOLIDS[rng.integers(len(SOLIDS))]]
        outline = place_outline(rng, shape, draw_diameter(rng, size), size)
        coverage = draw_coverage(outline, size)[..., None]
        canvas += coverage * rng.uniform(-40, 40, 3)
    for _ in range(rng.integers(2, 5)):
        ends = np.rint(rng.uniform(0, 1, (2, 2)) * size * 16).astype(int)
        line = np.zeros(canvas.shape[:2], np.uint8)
        cv2.line(line, *ends.tolist(), 255, 1, cv2.LINE_AA, 4)
        canvas += line[..., None] / 255 * rng.uniform(-50, 50, 3)
    return canvas


def paint(
    rng: np.random.Generator,
    canvas: np.ndarray,
    kind: str,
    outline: np.ndarray,
    coverage: np.ndarray,
) -> np.ndarray:
    """Paint a shape in a colour that stands out from what it covers.

    Returns:
        np.ndarray: ``(H, W, 3)`` new canvas.
    """
    colours = rng.normal(COLOURS[kind], COLOUR_SPREAD, (4, 3))
    below = canvas[coverage > 0]
    # (4, 1, 3) - (pixels, 3) -> (4, pixels)
    contrast = np.linalg.norm(colours[:, None] - below, axis=-1)
    coat = colours[contrast.min(1).argmax()]
    if kind in TEXTURES:
        step = rng.choice([-1, 1]) * rng.uniform(*CONTRASTS)
        step = step + rng.normal(0, TINT, 3)
        texture = draw_texture(rng, kind, outline, canvas.shape[1::-1])
        coat = coat + texture[..., None] * step
    return canvas + coverage[..., None] * (coat - canvas)


def shade(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Light a canvas from a random side.

    Returns:
        np.ndarray: ``(H, W, 3)`` new canvas.
    """
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, LIGHT)
    rows, columns = canvas.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    light = 1 + strength * (x * np.cos(angle) + y * np.sin(angle))
    return canvas * light[..., None]


def render(
    rng: np.random.Generator,
    size: Sequence[int],
    kinds: Sequence[str],
    objects: Sequence[int] = (4, 8),
    noise: float = 6,
) -> Tuple[np.ndarray, List[Instance]]:
    """Draw one image of overlapping shapes, later ones on top.

    Args:
        rng (np.random.Generator): Source of every choice.
        size (Sequence[int]): Width and height of the image, 32 or more each.
        kinds (Sequence[str]): Entries of ``KINDS`` to choose from.
        objects (Sequence[int]): Least and most shapes. Defaults to (4, 8).
        noise (float): Standard deviation of the pixel noise, in grey levels.
            Defaults to 6.

    Returns:
        tuple[np.ndarray, list[Instance]]: The ``(H, W, 3)`` uint8 image and
        its shapes, from the lowest to the topmost; ``Instance.shape`` is the
        kind.
    """
    canvas = draw_background(rng, size)
    owner = np.full(canvas.shape[:2], -1)
    placed = []
    for index in range(rng.integers(*objects, endpoint=True)):
        kind = kinds[rng.integers(len(kinds))]
        diameter = draw_diameter(rng, size)
        if kind in TEXTURES:
            shape = OUTLINES[SOLIDS[rng.integers(len(SOLIDS))]]
        else:
            shape = thin_outline(rng, kind, diameter)
        outline = place_outline(rng, shape, diameter, size)
        coverage = draw_coverage(outline, size)
        canvas = paint(rng, canvas, kind, outline, coverage)
        owner[coverage >= 0.5] = index
        placed.append((kind, outline))
    return expose(rng, shade(rng, canvas), BLURS, noise), [
        Instance(kind, owner == index, outline)
        for index, (kind, outline) in enumerate(placed)
    ]
