from typing import List, Optional, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import UsageError
from ...frequency import (
    apply_masks,
    frequency_masks,
    num_bands,
    wavedec2,
    waverec2,
)
from ...frequency.wavelet import check_wavelet
from ...registry import MODELS


@MODELS.register_module()
class FrequencyPrompt(BaseModule):
    r"""Frequency prompts of one pyramid level (paper, section 3.2).

    .. math:: x \to \mathrm{IDWT}\left(\sum_{i=1}^{T}
        \sigma(P_{b,i} R_b) \circ R_b\right)

    Args:
        channels (int): Channels C of the feature.
        num_prompts (int): Prompts T for each band. With two, the feature
            starts out unchanged. Defaults to 2.
        levels (int): Wavelet levels J. Defaults to 3.
        band_layout (str): ``'subband'`` (1 + 3J bands, the paper) or
            ``'level'`` (1 + J bands, the official code). Defaults to
            'subband'.
        wavelet (str): Defaults to 'haar'.

    Attributes:
        prompts (nn.Parameter): ``(B, T, C)``, initialised from
            normal(0, 0.01).

    Raises:
        UsageError: If a number is not positive, or layout or wavelet not
            known.
    """

    def __init__(
        self,
        channels: int,
        num_prompts: int = 2,
        levels: int = 3,
        band_layout: str = 'subband',
        wavelet: str = 'haar',
    ) -> None:
        super().__init__()
        for name, value in (
            ('channels', channels),
            ('num_prompts', num_prompts),
        ):
            if not isinstance(value, int) or value < 1:
                raise UsageError(
                    f'{name} must be a positive integer, got {value!r}'
                )
        check_wavelet(wavelet)
        self.levels = levels
        self.band_layout = band_layout
        self.wavelet = wavelet
        bands = num_bands(levels, band_layout)
        self.prompts = nn.Parameter(torch.empty(bands, num_prompts, channels))
        nn.init.normal_(self.prompts, std=0.01)

    def masks(self, x: Tensor) -> List[Tensor]:
        """The frequency masks of a feature.

        Args:
            x (Tensor): The feature ``(N, C, H, W)``.

        Returns:
            list[Tensor]: See :func:`mmfreekd.frequency.frequency_masks`.
        """
        return frequency_masks(
            x, self.prompts, self.levels, self.band_layout, self.wavelet
        )

    def forward(
        self, x: Tensor, masks: Optional[Sequence[Tensor]] = None
    ) -> Tensor:
        """The feature as the masks let it through.

        Args:
            x (Tensor): The feature ``(N, C, H, W)``.
            masks (list[Tensor], optional): The masks to apply. None: those
                of this feature. Defaults to None.

        Returns:
            Tensor: ``(N, C, H, W)`` in the dtype of ``x``.
        """
        if masks is None:
            masks = self.masks(x)
        with torch.autocast(x.device.type, enabled=False):
            bands = wavedec2(x.to(masks[0].dtype), self.levels, self.wavelet)
            bands = apply_masks(bands, masks, self.band_layout)
            return waverec2(bands, x.shape[-2:], self.wavelet).to(x.dtype)
