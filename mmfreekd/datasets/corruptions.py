"""The fifteen common corruptions at five severities each.

Hendrycks and Dietterich (ICLR 2019), in the form that Michaelis et al. (2019)
gave them for images of any size (COCO-C, Cityscapes-C): the published code,
package ``imagecorruptions``, with random numbers of its own for each image.
"""

import zlib
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..registry import TRANSFORMS

GROUPS = dict(
    noise=('gaussian_noise', 'shot_noise', 'impulse_noise'),
    blur=('defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur'),
    weather=('snow', 'frost', 'fog', 'brightness'),
    digital=('contrast', 'elastic_transform', 'pixelate', 'jpeg_compression'),
)
CORRUPTIONS = tuple(name for names in GROUPS.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)
# these two do not draw from NumPy's global state
SEEDED = ('impulse_noise', 'glass_blur')


def corrupt(
    image: np.ndarray, name: str, severity: int, stream: str, seed: int = 0
) -> np.ndarray:
    """Corrupt one image.

    Args:
        image (np.ndarray): ``(H, W, 3)`` uint8 BGR image of at least 32
            pixels a side.
        name (str): Entry of ``CORRUPTIONS``.
        severity (int): Entry of ``SEVERITIES``, larger is worse.
        stream (str): Name of the image, which selects its random numbers.
        seed (int): Selects them too. Defaults to 0.

    Returns:
        np.ndarray: ``(H, W, 3)`` uint8 new image.

    Raises:
        UsageError: If ``imagecorruptions`` is not installed.
    """
    try:
        import imagecorruptions
    except ImportError as error:
        raise UsageError(
            'corruptions need the package imagecorruptions: pip install '
            f"'mmfreekd[robustness]', or imagecorruptions-imaug ({error})"
        )
    key = f'{seed} {name} {severity} {stream}'
    number = zlib.crc32(key.encode())
    options = dict(seed=number) if name in SEEDED else {}
    state = np.random.get_state()
    np.random.seed(number)
    try:
        rgb = np.ascontiguousarray(image[..., ::-1])
        rgb = imagecorruptions.corrupt(rgb, severity, name, **options)
    finally:
        np.random.set_state(state)
    return np.ascontiguousarray(rgb[..., ::-1])


@TRANSFORMS.register_module()
class CommonCorruption:
    """Corrupt the images of a data set.

    What is done to an image depends on the name of its file, neither on the
    order of the images nor on the number of processes.

    Args:
        name (str): Entry of ``CORRUPTIONS``.
        severity (int): Entry of ``SEVERITIES``.
        seed (int): Seed of the random numbers. Defaults to 0.
    """

    def __init__(self, name: str, severity: int, seed: int = 0) -> None:
        self.name = name
        self.severity = severity
        self.seed = seed

    def __call__(self, results: dict) -> dict:
        """Corrupt ``results['img']``."""
        image = results['img']
        results['img'] = corrupt(
            image.astype(np.uint8),
            self.name,
            self.severity,
            Path(results['img_path']).name,
            self.seed,
        ).astype(image.dtype)
        return results
