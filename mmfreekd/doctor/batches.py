"""A random batch, of the kind that a model's data loader gives it."""

from typing import Iterator, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData, PixelData

DEFAULT_SIZE = (256, 256)
IMAGES = 2  # normalisation over a batch needs two


def random_batch(model: BaseModel, cfg: Config) -> dict:
    """Two random images with labels, as a data loader gives them.

    Args:
        model (BaseModel): A detector, a segmenter, or a distillation.
        cfg (Config): Its config; the size is that of its training pipeline.

    Returns:
        dict: ``inputs``, a list of ``(3, H, W)``, and ``data_samples``.
    """
    from mmseg.models.segmentors import BaseSegmentor

    architecture = getattr(model, 'architecture', model)
    is_segmenter = isinstance(architecture, BaseSegmentor)
    height, width = image_size(cfg)
    sample = _segmented if is_segmenter else _detected
    return dict(
        inputs=[
            torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
            for _ in range(IMAGES)
        ],
        data_samples=[sample(height, width) for _ in range(IMAGES)],
    )


def image_size(cfg: Config) -> Tuple[int, int]:
    """Height and width of the training images, as far as a config says."""
    sizes = list(_sizes(cfg.get('train_dataloader') or {}))
    for wanted in ('crop_size', 'scale'):
        for key, size in sizes:
            if key == wanted:
                return size if key == 'crop_size' else size[::-1]
    return DEFAULT_SIZE


def _sizes(cfg) -> Iterator[Tuple[str, Tuple[int, int]]]:
    if isinstance(cfg, (list, tuple)):
        for part in cfg:
            yield from _sizes(part)
    if isinstance(cfg, dict):
        for key, value in cfg.items():
            pair = isinstance(value, (list, tuple)) and len(value) == 2
            if key in ('crop_size', 'scale') and pair:
                if all(isinstance(n, int) for n in value):
                    yield key, tuple(value)
            yield from _sizes(value)


def _metainfo(height: int, width: int) -> dict:
    return dict(
        img_shape=(height, width),
        ori_shape=(height, width),
        scale_factor=(1.0, 1.0),
    )


def _detected(height: int, width: int):
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    sample = DetDataSample(metainfo=_metainfo(height, width))
    box = [width / 8, height / 8, width / 2, height / 2]
    mask = np.zeros((1, height, width), np.uint8)
    mask[:, height // 8 : height // 2, width // 8 : width // 2] = 1
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([box]),
        labels=torch.tensor([0]),
        masks=BitmapMasks(mask, height, width),
    )
    return sample


def _segmented(height: int, width: int):
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=_metainfo(height, width))
    labels = torch.randint(0, 2, (1, height, width))
    sample.gt_sem_seg = PixelData(data=labels)
    return sample
