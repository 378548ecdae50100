from typing import List, Optional, Union

from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...errors import UsageError
from ...registry import MODELS
from ..pyramid import Feature


@MODELS.register_module()
class ImageEncoder(BaseModel):
    """An encoder as a whole model: images in, features out, no labels.

    Args:
        backbone (dict): Config of the encoder: :class:`SamEncoder`,
            :class:`Dinov2Encoder`, or any backbone.
        neck (dict, optional): Config of a neck, such as
            :class:`EmbeddingNeck`. Defaults to None.
        data_preprocessor (dict | nn.Module, optional): Defaults to None.
        init_cfg (dict, optional): Defaults to None.
    """

    def __init__(
        self,
        backbone: dict,
        neck: Optional[dict] = None,
        data_preprocessor: Union[dict, nn.Module, None] = None,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = None if neck is None else MODELS.build(neck)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
        mode: str = 'tensor',
    ) -> Feature:
        """Encode a batch.

        Args:
            inputs (Tensor): Preprocessed images ``(N, 3, H, W)``.
            data_samples (list[BaseDataElement], optional): Not looked at.
            mode (str): Only ``'tensor'``. Defaults to 'tensor'.

        Returns:
            Tensor | tuple[Tensor]: What the neck puts out, or the backbone
            where there is none; a single map without a tuple around it.

        Raises:
            UsageError: In another mode: there is no head.
        """
        if mode != 'tensor':
            raise UsageError(
                f'ImageEncoder has no head, and so no mode={mode!r}. Tune its '
                'prompts with FrequencyPromptTuning(task_loss=False), distil '
                'it with mmfreekd.FeatureDistill; both need no labels. To '
                'measure a student, test its distillation: tools/test.py '
                'with the config and checkpoint of mmfreekd.FeatureDistill'
            )
        features = self.backbone(inputs)
        if self.neck is not None:
            features = self.neck(features)
        single = not isinstance(features, Tensor) and len(features) == 1
        return features[0] if single else features
