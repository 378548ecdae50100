"""Weather: snow, frost, fog and brightness.

Frost needs photographs. Those of the released benchmark come without a word
on their origin, so they are not copied here: :func:`frost_pictures` draws ice
ferns instead. Their mean colour, contrast and grain are those of the released
pictures on average; where the crystals lie is not. For figures that are to
be compared with published ones, give ``--frost-pictures`` the released files.
"""

from functools import lru_cache

import cv2
import numpy as np
from robustness.blur import gaussian, move, zoom

STRENGTHS = dict(
    # mean, deviation, zoom, threshold, radius, deviation of the motion,
    # share of the image that is left as it is
    snow=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    # factors of image and frost
    frost=((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    # thickness, how fast its grain fades
    fog=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    brightness=(0.1, 0.2, 0.3, 0.4, 0.5),  # added to the value of HSV
)
FROST_COLOUR = np.array([0.647, 0.613, 0.536])  # blue, green, red
FROST_CONTRAST = 0.114


def snow(rng, image, mean, deviation, factor, least, radius, fading, kept):
    """Whiten the image, let flakes fall on it from two sides."""
    flakes = zoom(rng.normal(mean, deviation, image.shape[:2]), factor)
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1)
    flakes = move(flakes, rng.uniform(-135, -45), radius, fading)
    grey = image @ np.array([0.114, 0.587, 0.299])
    pale = np.maximum(image, grey[..., None] * 1.5 + 0.5)
    fallen = flakes + np.rot90(flakes, 2)
    return kept * image + (1 - kept) * pale + fallen[..., None]


def frost(rng, image, image_share, frost_share, pictures):
    """Add a part of one of several pictures of frost."""
    picture = pictures[rng.integers(len(pictures))]
    sides = np.array(image.shape[:2])
    enlarge = 1.1 * max(1, *(sides / picture.shape[:2]))
    picture = cv2.resize(
        picture, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC
    )
    y, x = rng.integers(0, np.array(picture.shape[:2]) - sides + 1)
    part = picture[y : y + sides[0], x : x + sides[1]]
    return image_share * image + frost_share * part


@lru_cache
def frost_pictures(number=5, side=512):
    """Draw pictures of frost, always the same.

    Args:
        number (int): How many. Defaults to 5.
        side (int): Height and width. Defaults to 512.

    Returns:
        list[np.ndarray]: ``(side, side, 3)`` BGR images in [0, 1].
    """
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(number):
        ferns = np.zeros((side, side))
        for _ in range(80):
            grow(rng, ferns, rng.uniform(0, side, 2), rng.uniform(0, 6.3), 90)
        grain = gaussian(ferns, 0.8) + 0.5 * gaussian(ferns, 12)
        grain += 0.6 * plasma(rng, side, 2) + rng.normal(0, 0.1, grain.shape)
        grain = FROST_CONTRAST * (grain - grain.mean()) / grain.std()
        pictures.append((FROST_COLOUR + grain[..., None]).clip(0, 1))
    return pictures


def grow(rng, canvas, start, angle, length):
    """Draw a fern of ice: a stem whose branches are ferns themselves."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    end = start + length * direction
    cv2.line(
        canvas,
        start.round().astype(int).tolist(),
        end.round().astype(int).tolist(),
        rng.uniform(0.4, 1),
        2 if length > 40 else 1,
    )
    if length < 10:
        return
    for place in np.arange(0.15, 1, 0.12):
        for side in (-1, 1):
            grow(
                rng,
                canvas,
                start + place * length * direction,
                angle + side * rng.uniform(0.8, 1.2),
                length * (1 - place) * rng.uniform(0.3, 0.5),
            )


def fog(rng, image, thickness, fading):
    """Add clouds and take the brightness back to what it was."""
    side = 1 << int(max(image.shape[:2]) - 1).bit_length()
    clouds = plasma(rng, max(side, 2), fading)
    clouds = clouds[: image.shape[0], : image.shape[1], None]
    brightest = image.max()
    foggy = image + thickness * clouds
    return foggy * brightest / (brightest + thickness)


def plasma(rng, side, fading):
    """A fractal by the diamond-square algorithm, as on a torus.

    Args:
        rng (np.random.Generator): Source of the noise.
        side (int): Height and width, a power of two.
        fading (float): The noise's spread is divided by the square of this
            whenever the grid becomes twice as fine.

    Returns:
        np.ndarray: ``(side, side)``, from 0 to 1.
    """
    grid = np.zeros((side, side))
    spread = 1.0

    def noisy_mean(a, b, c, d):
        return (a + b + c + d) / 4 + rng.uniform(-spread, spread, a.shape)

    while side > 1:
        half = side // 2
        corner = grid[::side, ::side]
        right, below = np.roll(corner, -1, 1), np.roll(corner, -1, 0)
        middle = noisy_mean(corner, right, below, np.roll(right, -1, 0))
        grid[half::side, half::side] = middle
        grid[::side, half::side] = noisy_mean(
            corner, right, middle, np.roll(middle, 1, 0)
        )
        grid[half::side, ::side] = noisy_mean(
            corner, below, middle, np.roll(middle, 1, 1)
        )
        side, spread = half, spread / fading**2
    grid -= grid.min()
    return grid / grid.max()


def brightness(rng, image, added):
    """Add to the value of HSV; hue and saturation stay."""
    value = image.max(2, keepdims=True)
    brighter = np.minimum(value + added, 1)
    scaled = image * (brighter / np.maximum(value, 1e-9))
    return np.where(value > 0, scaled, brighter)
