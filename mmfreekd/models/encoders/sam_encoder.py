from typing import Optional, Tuple, Union

from mmengine.model import BaseModule
from torch import Tensor

from ...errors import UsageError
from ...registry import MODELS
from .optional import architecture, import_transformers

# b, l and h are those of the released checkpoints; t and s are students of
# the same family: the widths of DeiT-T and DeiT-S in the layout of ViT-B
ARCHITECTURES = dict(
    t=dict(hidden_size=192, num_attention_heads=3),
    s=dict(hidden_size=384, num_attention_heads=6),
    b=dict(hidden_size=768, num_attention_heads=12),
    l=dict(
        hidden_size=1024,
        num_attention_heads=16,
        num_hidden_layers=24,
        global_attn_indexes=[5, 11, 17, 23],
    ),
    h=dict(
        hidden_size=1280,
        num_attention_heads=16,
        num_hidden_layers=32,
        global_attn_indexes=[7, 15, 23, 31],
    ),
)


@MODELS.register_module()
class SamEncoder(BaseModule):
    """SAM's image encoder, ``SamVisionModel`` of the package transformers.

    Args:
        arch (str | dict): ``'b'``, ``'l'`` or ``'h'`` as released, ``'t'`` or
            ``'s'`` for smaller ones of the same family, or settings of
            ``transformers.SamVisionConfig``. Defaults to 'b'.
        image_size (int): Height and width of the images, which are square.
            Defaults to 1024.
        with_cp (bool): Whether to save memory by computing activations twice
            where gradients flow. Defaults to False.
        init_cfg (dict, optional): Defaults to None.

    Raises:
        UsageError: If transformers is not installed or the architecture is
            not known.
    """

    def __init__(
        self,
        arch: Union[str, dict] = 'b',
        image_size: int = 1024,
        with_cp: bool = False,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        transformers = import_transformers('SamEncoder')
        self.image_size = image_size
        # its own default is 1e-10, for weights that are loaded anyway
        settings = dict(initializer_range=0.02, image_size=image_size)
        settings.update(architecture(arch, ARCHITECTURES, 'SamEncoder'))
        self.model = transformers.SamVisionModel(
            transformers.SamVisionConfig(**settings)
        )
        if with_cp:
            self.model.gradient_checkpointing_enable(dict(use_reentrant=False))

    def forward(self, images: Tensor) -> Tuple[Tensor]:
        """Embed a batch.

        Args:
            images (Tensor): ``(N, 3, image_size, image_size)``, normalised.

        Returns:
            tuple[Tensor]: The image embedding, ``(N, 256, image_size / 16,
            image_size / 16)``; a tuple, as all backbones return.

        Raises:
            UsageError: If the images are of another size.
        """
        if images.shape[-2:] != (self.image_size, self.image_size):
            raise UsageError(
                f'SamEncoder takes images of {self.image_size} x '
                f'{self.image_size} pixels, got {tuple(images.shape[-2:])}: '
                'pad them in the data preprocessor (pad_size_divisor), and '
                'set image_size'
            )
        return (self.model(images).last_hidden_state,)
