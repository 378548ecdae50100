from typing import Optional, Sequence, Tuple, Union

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ...registry import MODELS
from .optional import architecture, import_transformers

ARCHITECTURES = dict(
    s=dict(hidden_size=384, num_attention_heads=6, num_hidden_layers=12),
    b=dict(hidden_size=768, num_attention_heads=12, num_hidden_layers=12),
    l=dict(hidden_size=1024, num_attention_heads=16, num_hidden_layers=24),
    g=dict(
        hidden_size=1536,
        num_attention_heads=24,
        num_hidden_layers=40,
        use_swiglu_ffn=True,
    ),
)


@MODELS.register_module()
class Dinov2Encoder(BaseModule):
    """DINOv2, ``Dinov2Backbone`` of the package transformers.

    Its tokens come folded into maps, without the class token. Its patches
    have 14 x 14 pixels; so that one covers ``stride`` x ``stride`` pixels of
    the batch, which other networks divide better, the images are resized
    first (bilinear).

    Args:
        arch (str | dict): ``'s'``, ``'b'``, ``'l'`` or ``'g'`` as released,
            or settings of ``transformers.Dinov2Config``. Defaults to 'b'.
        out_indices (list[int], optional): After which blocks to take the
            maps, counted from 1. None: after the last. Defaults to None.
        stride (int): Pixels from one patch to the next. Defaults to 16.
        init_cfg (dict, optional): Defaults to None.

    Raises:
        UsageError: If transformers is not installed or the architecture is
            not known.
    """

    def __init__(
        self,
        arch: Union[str, dict] = 'b',
        out_indices: Optional[Sequence[int]] = None,
        stride: int = 16,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        transformers = import_transformers('Dinov2Encoder')
        # 37 x 37 positions, as released; they are interpolated to others
        settings = dict(image_size=518)
        settings.update(architecture(arch, ARCHITECTURES, 'Dinov2Encoder'))
        if out_indices is not None:
            settings['out_indices'] = list(out_indices)
        config = transformers.Dinov2Config(**settings)
        self.stride = stride
        self.patch = config.patch_size
        self.model = transformers.Dinov2Backbone(config)

    def forward(self, images: Tensor) -> Tuple[Tensor, ...]:
        """Encode a batch.

        Args:
            images (Tensor): ``(N, 3, H, W)``, normalised.

        Returns:
            tuple[Tensor]: ``(N, C, H / stride, W / stride)``, rounded up,
            for each of the chosen blocks.
        """
        size = [-(-n // self.stride) * self.patch for n in images.shape[-2:]]
        images = F.interpolate(
            images, size, mode='bilinear', align_corners=False
        )
        return tuple(self.model(images).feature_maps)
