"""The recipe of a data set of shapes."""

from dataclasses import dataclass
from typing import Optional, Tuple

from .scenes import SCENES


@dataclass(frozen=True)
class Recipe:
    """What to draw; the same recipe always gives the same bytes.

    Args:
        num_train (int): Number of training images. Defaults to 400.
        num_val (int): Number of validation images. Defaults to 100.
        size (tuple[int, int]): Width and height, 32 or more each.
            Defaults to (128, 128).
        seed (int): Defaults to 0.
        objects (tuple[int, int], optional): Least and most shapes in an
            image. Defaults to None, the scene's.
        noise (float, optional): Standard deviation of the pixel noise, in
            grey levels. Defaults to None, the scene's.
        scene (str): Key of ``SCENES``. Defaults to 'plain'.
        num_test (int): Number of test images. Defaults to 0: no test split.
        corrupt (bool): Whether to write the test split a second time with
            corrupted images. Defaults to False.

    Raises:
        ValueError: If a value is out of its range.
    """

    num_train: int = 400
    num_val: int = 100
    size: Tuple[int, int] = (128, 128)
    seed: int = 0
    objects: Optional[Tuple[int, int]] = None
    noise: Optional[float] = None
    scene: str = 'plain'
    num_test: int = 0
    corrupt: bool = False

    def __post_init__(self) -> None:
        for name in ('objects', 'noise'):
            if getattr(self, name) is None:
                value = getattr(SCENES[self.scene], name)
                object.__setattr__(self, name, value)  # frozen
        least, most = self.objects
        for name, holds, rule in (
            ('size', min(self.size) >= 32, '32 or more each'),
            ('objects', 1 <= least <= most, '1 <= MIN <= MAX'),
            ('num_train', self.num_train >= 1, '1 or more'),
            ('num_val', self.num_val >= 1, '1 or more'),
            ('num_test', self.num_test >= self.corrupt, '1 to corrupt'),
            ('seed', self.seed >= 0, '0 or more'),
            ('noise', self.noise >= 0, '0 or more'),
        ):
            if not holds:
                raise ValueError(
                    f'{name} must be {rule}, got {getattr(self, name)}'
                )
