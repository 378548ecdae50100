from typing import Callable, Dict, List, Optional

from torch import Tensor

from mmfreekd.frequency import wavedec2
from mmfreekd.models.losses import FreeKDLoss
from mmfreekd.registry import MODELS


def _mean(mask: Tensor) -> Tensor:
    return mask.mean(dim=(2, 3), keepdim=True)


CHANGES: Dict[str, Callable[[Tensor], Tensor]] = dict(
    # never an image's own, as a permutation may have it
    shuffled=lambda mask: mask.roll(1, dims=0),
    flat=lambda mask: _mean(mask).expand_as(mask),
    # with a squared distance and the mean of the prompts:
    # sum (M d)^2 / sum M^2, each prompt by itself
    squared=lambda mask: mask.square() / _mean(mask.square()),
    # how large the projection on the prompt is: the mask itself tells its
    # sign, so half of a band of details is open, whatever the prompt
    magnitude=lambda mask: (2 * mask - 1).abs(),
)


@MODELS.register_module()
class MaskControlLoss(FreeKDLoss):
    """FreeKDLoss with its masks changed, to see what masks are worth.

    Args:
        *args: As of :class:`mmfreekd.models.FreeKDLoss`.
        change (str): What becomes of a mask ``(N, T, h_b, w_b)``:
            ``'shuffled'``, each image has that of the next in the batch;
            ``'flat'``, its mean over space; ``'squared'``, its square over
            the mean of it; ``'magnitude'``, the size of the projection that
            it is made of, between 0 and 1.
        **kwargs: As of :class:`mmfreekd.models.FreeKDLoss`.

    Raises:
        ValueError: If there is no such change.
    """

    def __init__(self, *args, change: str, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if change not in CHANGES:
            raise ValueError(
                f'change must be one of {tuple(CHANGES)}, got {change!r}'
            )
        self.change = CHANGES[change]

    def masks(self, *args, **kwargs) -> Optional[List[Tensor]]:
        """The masks of FreeKDLoss, changed."""
        return [self.change(mask) for mask in super().masks(*args, **kwargs)]


@MODELS.register_module()
class EnergyMaskLoss(FreeKDLoss):
    """FreeKDLoss with masks that need no prompts: the teacher's energy.

    A band's mask is the mean over the channels of its absolute coefficients,
    divided by its mean over space.
    """

    def masks(
        self, s_feature: Tensor, t_feature: Tensor, level: int
    ) -> List[Tensor]:
        """Masks ``(N, 1, h_b, w_b)`` of one pyramid level."""
        low, high = wavedec2(
            t_feature, self.layout['levels'], self.layout['wavelet']
        )
        energies = [low.abs().mean(dim=1, keepdim=True)]
        for details in high:
            energies += details.abs().mean(dim=1).split(1, dim=1)
        return [e / _mean(e).clamp(min=1e-12) for e in energies]
