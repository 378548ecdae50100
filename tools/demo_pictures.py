"""Predictions of the demo's models, drawn on validation images."""

from typing import Dict, List

import cv2
import numpy as np
from demo_steps import Step, Task, exported_student
from mmengine.config import Config
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
    ],
    np.uint8,
)
SEGMENTS = np.concatenate([[[40, 40, 40]], COLOURS])  # first the background
MIN_SCORE = 0.25


def checkpoints(task: Task, steps: Dict[str, Step]) -> List[str]:
    """The checkpoints to draw: student alone, with FreeKD, teacher."""
    alone, teacher = (
        (steps[name].folder / 'last_checkpoint').read_text()
        for name in ('student_seed0', 'teacher')
    )
    freekd = exported_student(task, steps['freekd_seed0'])
    return [alone, str(freekd), teacher]


class Panels:
    """The models of a task, and what they see in validation images.

    Args:
        task (Task): The task.
        steps (dict[str, Step]): Its finished steps.
    """

    def __init__(self, task: Task, steps: Dict[str, Step]) -> None:
        configs = [
            f'configs/demo/{name}.py'
            for name in (task.student, task.student, task.teacher)
        ]
        self.detection = task.host == 'mmdet'
        if self.detection:
            from mmdet.apis import inference_detector as infer
            from mmdet.apis import init_detector as init
        else:
            from mmseg.apis import inference_model as infer
            from mmseg.apis import init_model as init
        self.infer = infer
        self.models = [
            init(config, checkpoint, device='cpu')
            for config, checkpoint in zip(configs, checkpoints(task, steps))
        ]
        config = Config.fromfile(configs[0])
        init_default_scope(task.host)
        self.dataset = DATASETS.build(config.val_dataloader.dataset)

    def draw(self, index: int) -> List[np.ndarray]:
        """Draw one image four times.

        Args:
            index (int): Which validation image.

        Returns:
            list[np.ndarray]: RGB images: ground truth, student alone,
            student with FreeKD, teacher.
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
        cv2.rectangle(canvas, (x1, y1), (x2, y2), (255, 255, 255), 4)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 2)
    return canvas


def draw_segments(image: np.ndarray, sample, truth: bool) -> np.ndarray:
    """Blend the classes of ground truth or prediction over the image."""
    field = sample.gt_sem_seg if truth else sample.pred_sem_seg
    labels = field.data.squeeze(0).numpy()
    grey = image.mean(axis=2, keepdims=True)
    blended = (0.3 * grey + 0.7 * SEGMENTS[labels]).astype(np.uint8)
    return enlarge(blended[..., ::-1])
