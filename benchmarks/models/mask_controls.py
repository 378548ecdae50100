from typing import List, Optional

from torch import Tensor

from mmfreekd.models.losses import FreeKDLoss
from mmfreekd.registry import MODELS


@MODELS.register_module()
class MaskControlLoss(FreeKDLoss):
    """FreeKDLoss with masks that know less, to see what masks are worth.

    Args:
        *args: As of :class:`mmfreekd.models.FreeKDLoss`.
        control (str): ``'shuffled'``: each image has the masks of the next
            one in the batch; ``'flat'``: each mask is replaced by its mean
            over space.
        **kwargs: As of :class:`mmfreekd.models.FreeKDLoss`.

    Raises:
        ValueError: If there is no such control.
    """

    def __init__(self, *args, control: str, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if control not in ('shuffled', 'flat'):
            raise ValueError(
                f"control must be 'shuffled' or 'flat', got {control!r}"
            )
        self.control = control

    def masks(self, *args, **kwargs) -> Optional[List[Tensor]]:
        """The masks of FreeKDLoss, made to know less."""
        masks = super().masks(*args, **kwargs)
        if self.control == 'shuffled':
            # never an image's own, as a permutation may have it
            return [mask.roll(1, dims=0) for mask in masks]
        return [
            mask.mean(dim=(2, 3), keepdim=True).expand_as(mask)
            for mask in masks
        ]
