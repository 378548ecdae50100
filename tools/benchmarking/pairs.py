"""Training steps of teacher and student, by FreeKD and by others."""

import io
from pathlib import Path
from typing import Callable, Dict, NamedTuple

import mmdet.models  # noqa: F401
import mmseg.models  # noqa: F401
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample
from torch import nn

from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'freekd'
PRESETS = ('paper', 'official', 'recommended')


class Pair(NamedTuple):
    """A teacher and a student.

    Attributes:
        freekd (str): Config of FreeKD.
        others (dict[str, str]): MMRazor's configs of other methods.
        classes (int): Number of classes.
        segments (bool): Whether they segment. Defaults to False.
        size (int): Height and width of an image. Defaults to 256.
    """

    freekd: str
    others: Dict[str, str]
    classes: int
    segments: bool = False
    size: int = 256

    @property
    def scope(self) -> str:
        """The registry in which names of the configs are looked up."""
        return 'mmseg' if self.segments else 'mmdet'


PAIRS = {
    'RetinaNet R101 -> R50': Pair(
        'mmdet/freekd_retinanet_r101_r50_2x_coco.py',
        {
            'PKD': 'mmdet/pkd/pkd_fpn_retina_x101_retina_r50_2x_coco.py',
            'CWD': 'mmdet/cwd/cwd_fpn_retina_r101_retina_r50_1x_coco.py',
        },
        80,
    ),
    'PSPNet R101 -> R18': Pair(
        'mmseg/freekd_pspnet_r101_r18_40k_cityscapes-512x512.py',
        {
            'CWD': 'mmseg/cwd/cwd_logits_pspnet_r101-d8_pspnet_r18-d8_'
            '4xb2-80k_cityscapes-512x1024.py',
        },
        19,
        True,
    ),
}
QUICK = {
    'RepPoints R18w32 -> R18w8': Pair(
        '../demo/freekd_neck_reppoints_r18w32_reppoints_r18w8_shapes.py',
        {},
        3,
        size=64,
    )
}


class Step:
    """A training step of a model, again and again on one batch.

    Args:
        model (nn.Module): Its ``train_step`` takes the batch.
        batch (dict): What a data loader gives.
    """

    def __init__(self, model: nn.Module, batch: dict) -> None:
        self.model = revert_sync_batchnorm(model)
        self.model.train()  # MMRazor's returns nothing
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = OptimWrapper(
            torch.optim.SGD(trained, lr=1e-6, momentum=0.9)
        )
        self.batch = batch

    def __call__(self) -> None:
        """Train on the batch."""
        self.model.train_step(self.batch, self.optimizer)

    def checkpoint_bytes(self) -> int:
        """The size of a checkpoint for resuming, as training writes it."""
        file = io.BytesIO()
        state = dict(
            state_dict=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
        )
        torch.save(state, file)
        return file.tell()


def steps_of(pair: Pair) -> Dict[str, Callable[[], None]]:
    """A step of the student alone, of the floor, and of each method.

    The floor is the student's step and the teacher's way to the feature; no
    distillation can be cheaper.
    """
    with DefaultScope.overwrite_default_scope(pair.scope):
        return _steps_of(pair)


def _steps_of(pair: Pair) -> Dict[str, Callable[[], None]]:
    torch.manual_seed(0)
    batch = (
        segmentation_batch(pair) if pair.segments else detection_batch(pair)
    )
    cfg = small_config(pair)
    alone = Step(build_model(cfg.architecture, 'student'), batch)
    preprocessor = alone.model.data_preprocessor
    teacher = build_model(cfg.teacher, 'teacher')
    teacher = revert_sync_batchnorm(teacher).eval()

    def floor() -> None:
        alone()
        with torch.no_grad():
            inputs = preprocessor(batch, True)['inputs']
            # a segmenter's backbone is recorded, a detector's neck
            part = teacher.backbone if pair.segments else teacher.extract_feat
            part(inputs)

    steps = {'student alone': alone, 'floor': floor}
    for preset in PRESETS:
        cfg = small_config(pair, preset)
        steps[f'FreeKD {preset}'] = Step(MODELS.build(cfg), batch)
    for name, path in pair.others.items():
        cfg = get_config(f'mmrazor::distill/{path}').model
        cfg.teacher.cfg_path = small_config(pair).teacher.cfg_path
        other = MODELS.build(_small(cfg, pair.size))
        other.data_preprocessor = preprocessor  # its own pads to full size
        steps[name] = Step(other, batch)
    return steps


def small_config(pair: Pair, preset: str = 'paper') -> Config:
    """FreeKD's model of a pair, with random weights.

    Args:
        pair (Pair): The pair.
        preset (str): The preset. Defaults to 'paper'.

    Returns:
        Config: The model.
    """
    model = Config.fromfile(CONFIGS / pair.freekd).model
    model.distiller.preset = preset
    return _small(model, pair.size)


def _small(model: Config, size: int) -> Config:
    """With small images, and nothing that would be downloaded."""
    for name in ('teacher_ckpt', 'init_cfg'):
        model.pop(name, None)
    for part in (model.architecture, model.teacher):
        part.pop('pretrained', None)
        if 'mmseg' in part.get('cfg_path', ''):
            part.setdefault('data_preprocessor', {}).update(size=(size, size))
    return model


def detection_batch(pair: Pair) -> dict:
    """Two images with four boxes each."""
    samples = []
    for _ in range(2):
        corners = torch.randint(0, pair.size // 2, (4, 2)).float()
        sample = DetDataSample()
        sample.set_metainfo(
            dict(
                img_shape=(pair.size, pair.size),
                ori_shape=(pair.size, pair.size),
                scale_factor=(1.0, 1.0),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corners, corners + pair.size // 3], dim=1),
            labels=torch.randint(pair.classes, (4,)),
        )
        samples.append(sample)
    return dict(inputs=_images(pair.size), data_samples=samples)


def segmentation_batch(pair: Pair) -> dict:
    """Two images with a class for each pixel."""
    samples = []
    for _ in range(2):
        sample = SegDataSample()
        sample.set_metainfo(
            dict(
                img_shape=(pair.size, pair.size),
                ori_shape=(pair.size, pair.size),
            )
        )
        labels = torch.randint(
            pair.classes, (1, pair.size // 32, pair.size // 32)
        )
        labels = labels.repeat_interleave(32, 1).repeat_interleave(32, 2)
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    return dict(inputs=_images(pair.size), data_samples=samples)


def _images(size: int) -> list:
    """Two images of noise."""
    return [
        torch.randint(256, (3, size, size), dtype=torch.uint8)
        for _ in range(2)
    ]
