"""Predictions of several models side by side, drawn on images."""

from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import cv2
import numpy as np
from mmengine.registry import DATASETS, init_default_scope

import mmfreekd.registry  # noqa: F401

from .configs import load

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


def draw_predictions(
    models: Dict[str, Tuple[str, str]], images: Sequence[int], path: Path
) -> None:
    """Draw ground truth and predictions, a row for each image.

    Args:
        models (dict[str, tuple[str, str]]): From titles to configs and
            checkpoints; the first one's validation data are drawn.
        images (list[int]): Indices into the data set.
        path (Path): The picture.
    """
    from matplotlib.figure import Figure

    titles = ['ground truth', *models]
    figure = Figure(
        layout='constrained', figsize=(2.4 * len(titles), 2.4 * len(images))
    )
    axes = figure.subplots(len(images), len(titles), squeeze=False)
    for row, panels in zip(axes, _panels(list(models.values()), images)):
        for ax, panel in zip(row, panels):
            ax.imshow(panel)
            ax.set(xticks=[], yticks=[])
    for ax, title in zip(axes[0], titles):
        ax.set_title(title, fontsize=12)
    figure.savefig(path, dpi=100)


def _panels(
    models: List[Tuple[str, str]], images: Sequence[int]
) -> List[List[np.ndarray]]:
    """RGB images: for each image the ground truth and the predictions."""
    cfg = load(models[0][0], {}, 0)
    if cfg.default_scope == 'mmdet':
        from mmdet.apis import inference_detector as infer
        from mmdet.apis import init_detector as init

        draw = draw_boxes
    else:
        from mmseg.apis import inference_model as infer
        from mmseg.apis import init_model as init

        draw = draw_segments
    built = [init(*model, device='cpu') for model in models]
    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    panels = []
    for index in images:
        image = cv2.imread(dataset.get_data_info(index)['img_path'])
        row = [draw(image, dataset[index]['data_samples'], True)]
        row += [draw(image, infer(model, image), False) for model in built]
        panels.append(row)
    return panels


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
        colour = COLOURS[label % len(COLOURS)].tolist()
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
