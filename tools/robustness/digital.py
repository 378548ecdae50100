"""Digital: contrast, elastic transform, pixelate and JPEG compression."""

import cv2
import numpy as np

STRENGTHS = dict(
    contrast=(0.4, 0.3, 0.2, 0.1, 0.05),
    elastic_transform=(12.5, 16.25, 21.25, 25, 30),
    pixelate=(0.6, 0.5, 0.4, 0.3, 0.25),  # new side / old side
    jpeg_compression=(25, 18, 15, 10, 7),  # quality
)


def contrast(rng, image, factor):
    """Draw every channel towards its mean."""
    mean = image.mean((0, 1))
    return mean + factor * (image - mean)


def elastic_transform(rng, image, strength):
    """Move pixels by a smooth random field."""
    height, width = image.shape[:2]
    across, down = 0.01 * width, 0.01 * height
    size = [2 * int(3 * deviation + 0.5) + 1 for deviation in (across, down)]

    def field():
        noise = rng.uniform(-1, 1, (height, width)) * 0.005 * height
        return strength * cv2.GaussianBlur(
            noise,
            size,
            sigmaX=across,
            sigmaY=down,
            borderType=cv2.BORDER_REFLECT,
        )

    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return cv2.remap(
        image,
        (x + field()).astype(np.float32),
        (y + field()).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )


def pixelate(rng, image, factor):
    """Average boxes of pixels."""
    size = image.shape[1::-1]
    small = [max(int(side * factor), 1) for side in size]
    coarse = cv2.resize(pixels(image), small, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return coarse / 255


def jpeg_compression(rng, image, quality):
    """Write as JPEG and read again."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode('.jpg', pixels(image), options)
    return cv2.imdecode(data, cv2.IMREAD_COLOR) / 255


def pixels(image):
    """An image in [0, 1] as uint8."""
    return np.rint(255 * image).astype(np.uint8)
