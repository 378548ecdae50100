import copy
import itertools

import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmengine.model import BaseDataPreprocessor
from mmseg.models import SegDataPreProcessor
from tiny_models import IMAGENET, det_batch, seg_batch
from torch.testing import assert_close

from mmfreekd.models.normalization import (
    TeacherNormalization,
    teacher_normalization,
)

CAFFE = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0])
STATISTICS = dict(
    imagenet=IMAGENET,
    caffe=CAFFE,
    uneven=dict(mean=[1.0, 20.0, 90.0], std=[3.0, 50.0, 7.0]),
)
SWAPS = [dict(), dict(bgr_to_rgb=True), dict(rgb_to_bgr=True)]
PAIRS = [(s, t) for s, t in itertools.product(STATISTICS, repeat=2)]


def assert_as_the_teacher_would(student, teacher, batch, training):
    """The student's batch, renormalised, is the teacher's own batch."""
    expected = teacher(copy.deepcopy(batch), training=training)
    data = student(copy.deepcopy(batch), training=training)
    before = data['inputs'].clone()
    out = TeacherNormalization(student, teacher)(**data)
    assert_close(out, expected['inputs'], rtol=1e-5, atol=2e-5)
    assert_close(data['inputs'], before, rtol=0, atol=0)


@pytest.mark.parametrize('student, teacher', PAIRS)
def test_a_detector_gets_its_own_batch(student, teacher):
    batch = det_batch([(64, 50), (40, 70)])
    for s_swap, t_swap in itertools.product(SWAPS, SWAPS):
        assert_as_the_teacher_would(
            DetDataPreprocessor(
                **STATISTICS[student], **s_swap, pad_size_divisor=32
            ),
            DetDataPreprocessor(
                **STATISTICS[teacher], **t_swap, pad_size_divisor=32
            ),
            batch,
            True,
        )


@pytest.mark.parametrize('student, teacher', PAIRS)
def test_a_segmenter_gets_its_own_batch(student, teacher):
    batch = seg_batch([(64, 50), (40, 70)])
    for s_swap, t_swap in itertools.product(SWAPS, SWAPS):
        assert_as_the_teacher_would(
            SegDataPreProcessor(
                **STATISTICS[student], **s_swap, size=(80, 80)
            ),
            SegDataPreProcessor(
                **STATISTICS[teacher], **t_swap, size=(80, 80)
            ),
            batch,
            True,
        )


def test_images_that_are_not_normalised_by_either_side():
    plain = DetDataPreprocessor(pad_size_divisor=32)
    normal = DetDataPreprocessor(**IMAGENET, pad_size_divisor=32)
    for student, teacher in ((plain, normal), (normal, plain)):
        assert_as_the_teacher_would(
            student, teacher, det_batch([(64, 50), (40, 70)]), False
        )


@pytest.mark.parametrize('pad_value', [0, 114])
def test_padding_is_what_the_teacher_pads_with(pad_value):
    student, teacher = (
        DetDataPreprocessor(**stats, pad_size_divisor=32, pad_value=pad_value)
        for stats in (IMAGENET, CAFFE)
    )
    assert_as_the_teacher_would(
        student, teacher, det_batch([(64, 50), (40, 70)]), True
    )


def test_without_data_samples_every_pixel_is_image():
    student = DetDataPreprocessor(**IMAGENET)
    teacher = DetDataPreprocessor(**CAFFE, rgb_to_bgr=True)
    images = torch.randint(0, 256, (2, 3, 8, 8)).float()
    out = TeacherNormalization(student, teacher)(
        (images - student.mean) / student.std, None
    )
    assert_close(out, images.flip(1) - teacher.mean, rtol=1e-5, atol=1e-4)


def test_equal_normalisation_passes_the_batch_on_untouched():
    normalization = teacher_normalization(
        *(DetDataPreprocessor(**IMAGENET, bgr_to_rgb=True) for _ in '12')
    )
    x = torch.randn(2, 3, 8, 8)
    assert normalization.identity
    assert normalization(x, None) is x


def test_models_that_only_collate_are_equal():
    assert teacher_normalization(
        BaseDataPreprocessor(), BaseDataPreprocessor()
    ).identity


@pytest.mark.parametrize(
    'teacher', [dict(IMAGENET, bgr_to_rgb=False), dict(CAFFE, bgr_to_rgb=True)]
)
def test_a_difference_is_reported(teacher, monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmfreekd.models.normalization.print_log',
        lambda message, **_: said.append(message),
    )
    normalization = teacher_normalization(
        DetDataPreprocessor(**IMAGENET, bgr_to_rgb=True),
        DetDataPreprocessor(**teacher),
    )
    assert not normalization.identity
    (message,) = said
    assert 'normalise images differently' in message
    assert str(teacher['bgr_to_rgb']) in message.split('Teacher: ')[1]


def test_is_in_no_checkpoint():
    normalization = TeacherNormalization(
        DetDataPreprocessor(**IMAGENET), DetDataPreprocessor(**CAFFE)
    )
    assert not normalization.state_dict()
    assert not list(normalization.parameters())
