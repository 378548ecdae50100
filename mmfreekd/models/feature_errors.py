"""How far a feature is from the one it stands for, image by image."""

from typing import List, Optional, Sequence

import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from torch import Tensor

from .pyramid import Feature

MSE, COSINE = 'embedding_mse', 'embedding_cosine'


def note_errors(
    samples: Optional[Sequence[BaseDataElement]],
    features: Feature,
    targets: Feature,
) -> List[BaseDataElement]:
    """Write into each data sample how far its feature is from the target.

    Args:
        samples (list[BaseDataElement], optional): The samples; None: new
            ones.
        features (Tensor | Sequence[Tensor]): ``(N, C, H, W)``, or one for
            each pyramid level.
        targets (Tensor | Sequence[Tensor]): Of the same shapes.

    Returns:
        list[BaseDataElement]: With ``embedding_mse``, the mean squared
        difference, and ``embedding_cosine``, the mean over the pixels of the
        cosine of both feature vectors; averaged over the levels.
    """
    features, targets = (
        [x] if isinstance(x, Tensor) else x for x in (features, targets)
    )
    batch = features[0].size(0)
    samples = samples or [BaseDataElement() for _ in range(batch)]
    for i, sample in enumerate(samples):
        mse, cosine = zip(
            *(
                (
                    F.mse_loss(x[i], t[i]),
                    F.cosine_similarity(x[i], t[i], dim=0).mean(),
                )
                for x, t in zip(features, targets)
            )
        )
        sample.set_field(float(sum(mse)) / len(mse), MSE)
        sample.set_field(float(sum(cosine)) / len(cosine), COSINE)
    return list(samples)
