"""The fifteen common corruptions at five severities each.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations" (ICLR 2019), in the form that Michaelis et al.,
"Benchmarking Robustness in Object Detection" (2019), gave them for images of
any size (COCO-C, Cityscapes-C), with the constants of the released code.
Written anew on NumPy and OpenCV, so that each image has random numbers of its
own: what is done to it depends neither on the order of the images nor on the
number of processes.
"""

import zlib
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import cv2
import numpy as np
from mmengine.registry import TRANSFORMS
from robustness import blur, digital, noise, weather

from mmfreekd.errors import UsageError

GROUPS = dict(noise=noise, blur=blur, weather=weather, digital=digital)
CORRUPTIONS: Dict[str, Tuple[Callable, tuple]] = {
    name: (getattr(module, name), strengths)
    for module in GROUPS.values()
    for name, strengths in module.STRENGTHS.items()
}
SEVERITIES = (1, 2, 3, 4, 5)


def corrupt(
    rng: np.random.Generator,
    image: np.ndarray,
    name: str,
    severity: int,
    **options,
) -> np.ndarray:
    """Disturb one image.

    Args:
        rng (np.random.Generator): Source of every choice.
        image (np.ndarray): ``(H, W, 3)`` uint8 BGR image.
        name (str): Key of ``CORRUPTIONS``.
        severity (int): Entry of ``SEVERITIES``, larger is worse.
        **options: ``pictures`` for frost, as
            :func:`robustness.weather.frost_pictures` returns them.

    Returns:
        np.ndarray: ``(H, W, 3)`` uint8 new image.
    """
    function, strengths = CORRUPTIONS[name]
    strength = strengths[severity - 1]
    if not isinstance(strength, tuple):
        strength = (strength,)
    result = function(rng, image / 255, *strength, **options)
    # the released code cuts decimals off
    return (255 * result.clip(0, 1)).astype(np.uint8)


@TRANSFORMS.register_module()
class CommonCorruption:
    """Disturb the images of a data set, each with its own random numbers.

    Args:
        name (str): Key of ``CORRUPTIONS``.
        severity (int): Entry of ``SEVERITIES``.
        seed (int): Other seeds, other random numbers. Defaults to 0.
        frost_pictures (list[str], optional): Files with pictures of frost.
            None: drawn ones. Defaults to None.
    """

    def __init__(
        self,
        name: str,
        severity: int,
        seed: int = 0,
        frost_pictures: Optional[List[str]] = None,
    ) -> None:
        self.name = name
        self.severity = severity
        self.seed = seed
        self.options = {}
        if name == 'frost':  # drawn here, before workers are forked
            self.options['pictures'] = (
                read_pictures(frost_pictures)
                if frost_pictures
                else weather.frost_pictures()
            )

    def __call__(self, results: dict) -> dict:
        """Disturb ``results['img']``; its file's name starts the stream."""
        file = Path(results['img_path']).name
        rng = np.random.default_rng(
            [
                self.seed,
                list(CORRUPTIONS).index(self.name),
                self.severity,
                zlib.crc32(file.encode()),
            ]
        )
        image = results['img']
        results['img'] = corrupt(
            rng,
            image.astype(np.uint8),
            self.name,
            self.severity,
            **self.options,
        ).astype(image.dtype)
        return results


def read_pictures(files: List[str]) -> List[np.ndarray]:
    """Read pictures of frost, BGR in [0, 1].

    Raises:
        UsageError: If one cannot be read.
    """
    pictures = [cv2.imread(file) for file in files]
    for file, picture in zip(files, pictures):
        if picture is None:
            raise UsageError(
                f'a picture of frost was expected, {file!r} is none'
            )
    return [picture / 255 for picture in pictures]
