"""What works with a student works with its distillation."""

import copy

import pytest
import tiny_models
import torch
from mmdet.apis import inference_detector
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.models import SegTTAModel
from torch import nn
from torch.testing import assert_close

PIPELINE = [
    dict(type='mmdet.LoadImageFromFile'),
    dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True),
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]


def test_what_is_set_is_set_on_the_student(distill):
    model = distill()
    student = model.student
    model.test_cfg = dict(score_thr=0.5)
    assert student.test_cfg == model.test_cfg == dict(score_thr=0.5)
    model.bbox_head = head = nn.Identity()
    assert student.bbox_head is model.bbox_head is head
    assert model._modules['bbox_head'] is head
    model.add_module('neck', neck := nn.Identity())
    assert student.neck is model.neck is neck
    # what the student does not have is the distillation's
    model.student_ckpt, model.note = 'a.pth', 1
    assert not hasattr(student, 'note')
    assert not hasattr(student, 'student_ckpt')
    copied = copy.deepcopy(model)
    copied.test_cfg = None
    assert copied.student.test_cfg is None and student.test_cfg is not None


def test_children_that_a_conversion_replaces(distill):
    model = distill()
    model.bn, model.student.bn = [nn.BatchNorm2d(4)] * 2
    model = revert_sync_batchnorm(convert_sync_batchnorm(model))
    assert model.bn is model.student.bn
    assert model.neck is model.student.neck


def test_the_teachers_batches_follow_to_the_device(distill):
    model = distill().to('meta')
    assert model.teacher.data_preprocessor.device.type == 'meta'
    assert model.student.data_preprocessor.device.type == 'meta'


def test_inference_of_mmdet(distill, seeded):
    import numpy as np

    init_default_scope('mmdet')
    model = distill().eval()
    pipeline = dict(test_dataloader=dict(dataset=dict(pipeline=PIPELINE)))
    model.cfg = model.student.cfg = Config(pipeline)
    image = np.random.randint(0, 255, (64, 64, 3), np.uint8)
    ours, own = (
        inference_detector(m, image.copy()).pred_instances
        for m in (model, model.student)
    )
    assert_close(ours.bboxes, own.bboxes)
    assert len(ours) > 0


@pytest.mark.parametrize('who', ['model', 'student'])
def test_augmentation_at_test_time(distill, who):
    model = distill(
        tiny_models.encoder_decoder(),
        tiny_models.encoder_decoder(8),
        dict(
            source='backbone.layer4', preset=dict(name='paper', num_prompts=0)
        ),
    )
    batch = tiny_models.seg_batch()
    for sample in batch['data_samples']:
        sample.set_metainfo(dict(img_path='a.png'))
    tta = SegTTAModel(module=model if who == 'model' else model.student)
    batch = {key: [value] for key, value in batch.items()}
    sample, _ = tta.eval().test_step(batch)
    assert torch.isfinite(sample.seg_logits.data).all()
    weights = {f'module.{k}': v for k, v in model.state_dict().items()}
    tta.load_state_dict(weights, strict=who == 'model')
