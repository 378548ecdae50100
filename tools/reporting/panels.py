"""What several models predict, drawn on images of a data set."""

from typing import Dict, List, Sequence, Tuple

import cv2
import numpy as np
from mmengine.registry import DATASETS, init_default_scope

import mmfreekd.registry  # noqa: F401

SCALE = 4
COLOURS = np.array(
    [
        [230, 60, 60],
        [60, 190, 60],
        [70, 90, 240],
        [230, 200, 50],
        [210, 80, 210],
        [70, 210, 210],
        [245, 140, 40],
        [190, 190, 190],
    ],
    np.uint8,
)
SEGMENTS = np.concatenate([[[40, 40, 40]], COLOURS])  # first the background
MIN_SCORE = 0.25


class Panels:
    """Models, and what they see in the images of a data set.

    Args:
        host (str): The package of the models: ``'mmdet'`` or ``'mmseg'``.
        models (list[tuple[str, str]]): The config and the checkpoint of each.
        dataset (dict): The config of the data set.
    """

    def __init__(
        self, host: str, models: Sequence[Tuple[str, str]], dataset: dict
    ) -> None:
        self.detection = host == 'mmdet'
        if self.detection:
            from mmdet.apis import inference_detector as infer
            from mmdet.apis import init_detector as init
        else:
            from mmseg.apis import inference_model as infer
            from mmseg.apis import init_model as init
        self.infer = infer
        self.models = [init(*model, device='cpu') for model in models]
        init_default_scope(host)
        self.dataset = DATASETS.build(dataset)

    def draw(self, index: int) -> List[np.ndarray]:
        """Draw one image several times.

        Args:
            index (int): Which image of the data set.

        Returns:
            list[np.ndarray]: RGB images: ground truth, then the predictions
            of each model.
        """
        draw = draw_boxes if self.detection else draw_segments
        image = cv2.imread(self.dataset.get_data_info(index)['img_path'])
        truth = self.dataset[index]['data_samples']
        samples = [self.infer(model, image) for model in self.models]
        return [
            draw(image, truth, True),
            *(draw(image, sample, False) for sample in samples),
        ]

    def colours(self) -> Dict[str, np.ndarray]:
        """The colour of each class."""
        colours = COLOURS if self.detection else SEGMENTS
        return dict(zip(self.dataset.metainfo['classes'], colours))


def enlarge(image: np.ndarray) -> np.ndarray:
    """BGR to RGB, a few times as large."""
    return cv2.resize(
        image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST
    )[..., ::-1].copy()


def draw_boxes(image: np.ndarray, sample, truth: bool) -> np.ndarray:
    """Draw the boxes of ground truth or of confident predictions."""
    canvas = enlarge(image)
    if truth:
        boxes, labels = sample.gt_instances.bboxes, sample.gt_instances.labels
        boxes = getattr(boxes, 'tensor', boxes)
    else:
        kept = sample.pred_instances
        kept = kept[kept.scores > MIN_SCORE]
        boxes, labels = kept.bboxes, kept.labels
    for box, label in zip(boxes.numpy() * SCALE, labels.numpy()):
        x1, y1, x2, y2 = (int(v) for v in box)
        colour = COLOURS[label].tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), (255, 255, 255), 5)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 3)
    return canvas


def draw_segments(image: np.ndarray, sample, truth: bool) -> np.ndarray:
    """Blend the classes of ground truth or prediction over the image."""
    field = sample.gt_sem_seg if truth else sample.pred_sem_seg
    labels = field.data.squeeze(0).numpy()
    grey = image.mean(axis=2, keepdims=True)
    blended = (0.3 * grey + 0.7 * SEGMENTS[labels]).astype(np.uint8)
    return enlarge(blended[..., ::-1])
