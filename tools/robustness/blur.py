"""Blur: defocus, (frosted) glass, motion and zoom."""

from itertools import chain

import cv2
import numpy as np

STRENGTHS = dict(
    # radius, softness of the edge
    defocus_blur=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    # deviation of the blur, reach of the shuffle, its repetitions
    glass_blur=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    # radius, deviation along the path
    motion_blur=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    # end and step of the zoom
    zoom_blur=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02))
    + ((1.31, 0.03),),
)


def defocus_blur(rng, image, radius, softness):
    """Spread every pixel over a disc with a soft edge."""
    reach = np.arange(-max(8, radius), max(8, radius) + 1)
    disc = (reach**2 + reach[:, None] ** 2 <= radius**2).astype(float)
    side = 3 if radius <= 8 else 5
    disc = cv2.GaussianBlur(disc / disc.sum(), (side, side), softness)
    return cv2.filter2D(image, -1, disc)


def gaussian(image, deviation):
    """A Gaussian filter that ends after four deviations."""
    side = 2 * int(4 * deviation + 0.5) + 1
    return cv2.GaussianBlur(
        image, (side, side), deviation, borderType=cv2.BORDER_REPLICATE
    )


def glass_blur(rng, image, deviation, reach, repetitions):
    """Blur, let near pixels change places, blur again.

    The released code means to swap two pixels and copies one over the other,
    for it assigns views of an array. So does this, as the published images
    were made that way.
    """
    height, width = image.shape[:2]
    rows = np.arange(height - reach, reach, -1)
    columns = np.arange(width - reach, reach, -1)
    targets = (rows[:, None] * width + columns).ravel()
    source = list(range(height * width))
    for _ in range(repetitions):
        down, right = rng.integers(-reach, reach, (2, len(targets)))
        origins = targets + down * width + right
        for target, origin in zip(targets.tolist(), origins.tolist()):
            source[target] = source[origin]
    blurred = gaussian(image, deviation)
    shuffled = blurred.reshape(height * width, -1)[source]
    return gaussian(shuffled.reshape(image.shape), deviation)


def motion_path(angle, radius, deviation):
    """The kernel of a motion: a fading line from its centre.

    Args:
        angle (float): Direction in degrees.
        radius (int): Half the length in pixels.
        deviation (float): How fast the line fades.

    Returns:
        np.ndarray: ``(4 * radius + 1, 4 * radius + 1)``, its sum is 1.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    kernel = np.zeros((4 * radius + 1,) * 2)
    x = np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(int)
    y = np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(int)
    np.add.at(kernel, (2 * radius + y, 2 * radius + x), weights)
    return kernel / kernel.sum()


def move(image, angle, radius, deviation):
    """Blur along a path, see :func:`motion_path`."""
    return cv2.filter2D(
        image,
        -1,
        motion_path(angle, radius, deviation),
        borderType=cv2.BORDER_REPLICATE,
    )


def motion_blur(rng, image, radius, deviation):
    """Move the camera in a direction of less than 45 degrees."""
    return move(image, rng.uniform(-45, 45), radius, deviation)


def zoom(image, factor):
    """Enlarge the middle of an image to its size, bilinearly."""
    grids = []
    for side in image.shape[:2]:
        kept = int(np.ceil(side / factor))
        step = (kept - 1) / max(round(kept * factor) - 1, 1)
        grids.append((side - kept) // 2 + step * np.arange(side))
    y, x = np.meshgrid(*(g.astype(np.float32) for g in grids), indexing='ij')
    return cv2.remap(
        image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def zoom_blur(rng, image, end, step):
    """Average the image and what is seen of it while zooming in."""
    zoomed = (zoom(image, factor) for factor in np.arange(1, end, step))
    return np.mean(list(chain([image], zoomed)), axis=0)
