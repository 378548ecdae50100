"""Corruptions of small images, of the kinds of ImageNet-C but gentler.

They suit images of 64 to 128 pixels whose textures have periods of four
pixels. None moves anything, so labels stay valid.
"""

from typing import Callable, Dict, Tuple

import cv2
import numpy as np


def _gaussian_noise(rng, image, deviation):
    return image + rng.normal(0, deviation, image.shape)


def _shot_noise(rng, image, photons):
    return rng.poisson(image / 255 * photons) / photons * 255


def _impulse_noise(rng, image, share):
    hit = rng.random(image.shape[:2]) < share
    salt = rng.random(image.shape[:2]) < 0.5
    return np.where(hit[..., None], 255.0 * salt[..., None], image)


def _defocus_blur(rng, image, radius):
    reach = np.arange(-3, 4)
    distance = np.hypot(*np.meshgrid(reach, reach))
    disc = np.clip(radius + 0.5 - distance, 0, 1)
    return cv2.filter2D(
        image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT
    )


def _motion_blur(rng, image, length):
    angle = rng.uniform(0, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    moved = [
        cv2.warpAffine(
            image,
            np.array([[1, 0, shift * cos], [0, 1, shift * sin]]),
            image.shape[1::-1],
            borderMode=cv2.BORDER_REFLECT,
        )
        for shift in np.linspace(-length / 2, length / 2, 9)
    ]
    return np.mean(moved, 0)


def _brightness(rng, image, offset):
    return image + offset


def _contrast(rng, image, factor):
    mean = image.mean((0, 1))
    return mean + factor * (image - mean)


def _fog(rng, image, density):
    thickness = cv2.resize(
        rng.uniform(0.5, 1.5, (4, 4)),
        image.shape[1::-1],
        interpolation=cv2.INTER_LINEAR,
    )
    share = density * thickness[..., None]
    return image + share * (215 - image)


def _pixelate(rng, image, factor):
    size = image.shape[1::-1]
    small = [round(side * factor) for side in size]
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST_EXACT)


def _jpeg(rng, image, quality):
    _, data = cv2.imencode(
        '.jpg', image.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


# name -> (function, its strength at the severities 1, 2, ...)
CORRUPTIONS: Dict[str, Tuple[Callable, tuple]] = dict(
    gaussian_noise=(_gaussian_noise, (12, 20, 30)),  # grey levels
    shot_noise=(_shot_noise, (150, 70, 35)),  # photons in a white pixel
    impulse_noise=(_impulse_noise, (0.02, 0.04, 0.08)),  # share of pixels
    defocus_blur=(_defocus_blur, (0.8, 1.1, 1.5)),  # radius in pixels
    motion_blur=(_motion_blur, (2.5, 3.2, 4)),  # length in pixels
    brightness=(_brightness, (30, 50, 70)),  # grey levels
    contrast=(_contrast, (0.6, 0.45, 0.3)),
    fog=(_fog, (0.25, 0.4, 0.55)),  # mean share of white
    pixelate=(_pixelate, (0.8, 0.6, 0.45)),  # new side / old side
    jpeg=(_jpeg, (40, 25, 15)),  # quality
)
SEVERITIES = (1, 2, 3)


def choose_corruption(index: int) -> Tuple[str, int]:
    """Kind and severity of an image: all kinds at 1, then at 2, at 3."""
    level, kind = divmod(index, len(CORRUPTIONS))
    return list(CORRUPTIONS)[kind], SEVERITIES[level % len(SEVERITIES)]


def corrupt(
    rng: np.random.Generator, image: np.ndarray, kind: str, severity: int
) -> np.ndarray:
    """Corrupt one ``(H, W, 3)`` uint8 image.

    Args:
        rng (np.random.Generator): Source of every choice.
        image (np.ndarray): The image.
        kind (str): Key of ``CORRUPTIONS``.
        severity (int): Entry of ``SEVERITIES``, larger is worse.

    Returns:
        np.ndarray: The new image.
    """
    function, strengths = CORRUPTIONS[kind]
    result = function(rng, image.astype(float), strengths[severity - 1])
    return np.rint(result).clip(0, 255).astype(np.uint8)
