import copy

import pytest
import tiny_models
import torch
from mmcv.ops import roi_align
from tiny_models import losses_of, snapshot, total, train, with_loss
from torch.nn import functional as F
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.models.zoo import build_model

FC_REG = 'roi_head.bbox_head.fc_reg'
FIRST_FC_REG = 'roi_head.bbox_head.0.fc_reg'
REGRESSION = dict(
    type='mmfreekd.PyramidLoss', loss=dict(type='mmdet.SmoothL1Loss')
)
KEY = 'distill.loss_regression'


def distiller(source=FC_REG, t_source=None, channels=12):
    cfg = tiny_models.distiller(8, channels, 'neck', 3, num_prompts=0)
    return with_loss(cfg, 'loss_regression', REGRESSION, source, t_source)


@pytest.fixture
def build(two_stage_pair, build_distill):
    """Builds a distillation of two-stage detectors."""

    def build(**changes):
        return build_distill(
            two_stage_pair,
            **{'distiller': distiller(), 'student_rois': True, **changes},
        )

    return build


@pytest.fixture
def cascade_teacher():
    """Built, so that it needs no file."""
    return build_model(tiny_models.faster_rcnn(8, 12, cascade=True), 'teacher')


@pytest.fixture
def batch():
    return tiny_models.det_batch([(64, 96), (50, 60)])


def refuse_to_run(*args, **kwargs):
    raise AssertionError('this must not run')


def level_of(roi):
    """RoIs of 32 pixels and more belong to the second level."""
    _, x1, y1, x2, y2 = roi.tolist()
    return int(((x2 - x1) * (y2 - y1)) ** 0.5 >= 2 * 16)


def by_hand(teacher, inputs, rois, head):
    """The regression of every RoI, one after the other."""
    features = teacher.extract_feat(inputs)
    out = []
    for roi in rois:
        level = level_of(roi)
        scale = [1 / 8, 1 / 16][level]
        x = roi_align(features[level], roi[None], 3, scale).flatten(1)
        for fc in head.shared_fcs:
            x = fc(x).relu()
        out.append(head.fc_reg(x))
    return torch.cat(out)


def recorded(model, batch):
    """The losses, the student's RoIs and its regression."""
    seen = {}
    roi_head = model.student.roi_head
    cascade = isinstance(roi_head.bbox_head, torch.nn.ModuleList)
    extractor, head = (
        m[0] if cascade else m
        for m in (roi_head.bbox_roi_extractor, roi_head.bbox_head)
    )
    extractor.register_forward_pre_hook(
        lambda module, inputs: seen.update(rois=inputs[1])
    )
    head.fc_reg.register_forward_hook(
        lambda module, inputs, output: seen.update(regression=output)
    )
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    losses = model(**data, mode='loss')
    return losses, data['inputs'], seen['rois'], seen['regression']


def assert_is_by_hand(model, batch, head):
    losses, inputs, rois, regression = recorded(model.train(), batch)
    with torch.no_grad():
        expected = by_hand(model.teacher, inputs, rois, head)
    assert set(rois[:, 0].tolist()) == {0, 1}  # both images
    assert {level_of(roi) for roi in rois} == {0, 1}
    assert expected.shape == regression.shape
    (record,) = model.distiller.teacher_recorders.get_recorder(
        'loss_regression'
    ).data_buffer
    assert not record.requires_grad
    assert_close(record, expected)
    assert_close(losses[KEY], F.smooth_l1_loss(regression, expected))
    assert losses[KEY] > 0


def test_the_teacher_regresses_the_rois_of_the_student(build, batch):
    model = build()
    assert_is_by_hand(model, batch, model.teacher.roi_head.bbox_head)


def test_the_first_stage_of_a_cascade_teaches_a_class_agnostic_student(
    build, batch, cascade_teacher, monkeypatch
):
    model = build(
        architecture=tiny_models.faster_rcnn(reg_class_agnostic=True),
        teacher=cascade_teacher,
        teacher_ckpt=None,
        distiller=distiller(FC_REG, FIRST_FC_REG),
    )
    first, second = model.teacher.roi_head.bbox_head
    monkeypatch.setattr(second, 'forward', refuse_to_run)
    assert_is_by_hand(model, batch, first)


def test_the_first_stage_of_a_cascade_learns(build, batch, cascade_teacher):
    model = build(
        architecture=tiny_models.faster_rcnn(cascade=True),
        teacher=cascade_teacher,
        teacher_ckpt=None,
        distiller=distiller(FIRST_FC_REG),
    )
    assert_is_by_hand(model, batch, model.teacher.roi_head.bbox_head[0])


def test_an_identical_student_has_nothing_to_learn(
    build, batch, two_stage_pair
):
    model = build(
        architecture=copy.deepcopy(two_stage_pair.teacher),
        distiller=with_loss(
            tiny_models.distiller(12, 12, 'neck', 3, num_prompts=0),
            'loss_regression',
            REGRESSION,
            FC_REG,
        ),
        inherit=['backbone', 'neck', 'rpn_head', 'roi_head'],
    )
    model.init_weights()
    model.train()
    model.student.backbone.eval()  # the teacher's statistics
    losses, _, rois, regression = recorded(model, batch)
    assert losses[KEY] == 0
    assert len(rois) > 2 and regression.abs().max() > 0


def test_trains_the_student_alone(build, batch):
    model = build()
    model.init_weights()
    teacher, student = snapshot(model.teacher), snapshot(model.student)
    train(model, batch)
    assert_close(snapshot(model.teacher), teacher, rtol=0, atol=0)
    for name, value in model.student.named_parameters():
        assert not torch.equal(value, student[name]), name


def test_reaches_the_head_and_the_backbone(build, batch):
    model = build(calculate_student_loss=False).train()
    losses = losses_of(model, batch)
    assert losses.keys() == {'distill.loss_freekd', KEY, 'student.loss_idle'}
    losses[KEY].backward()
    student = model.student
    for weight in (
        student.roi_head.bbox_head.fc_reg.weight,
        student.backbone.conv1.weight,
    ):
        assert weight.grad.any()


@pytest.mark.parametrize('empty', [(0,), (0, 1)])
def test_images_without_objects_are_no_error(build, batch, empty):
    for i in empty:
        sample = batch['data_samples'][i]
        sample.gt_instances = sample.gt_instances[:0]
    losses = losses_of(build().train(), batch)
    assert losses[KEY] > 0
    assert total(losses).isfinite()


def test_no_rois_at_all_are_no_error(build, batch, monkeypatch):
    for sample in batch['data_samples']:
        sample.gt_instances = sample.gt_instances[:0]
    model = build().train()
    predict = model.student.rpn_head.predict_by_feat
    monkeypatch.setattr(
        model.student.rpn_head,
        'predict_by_feat',
        lambda *args, **kwargs: [r[:0] for r in predict(*args, **kwargs)],
    )
    losses, _, rois, _ = recorded(model, batch)
    assert len(rois) == 0
    assert losses[KEY] == 0
    total(losses).backward()


def test_the_teacher_proposes_nothing(build, batch, monkeypatch):
    model = build().train()
    monkeypatch.setattr(model.teacher.rpn_head, 'forward', refuse_to_run)
    losses_of(model, batch)


def test_layers_before_the_rois_are_recorded_as_well(build, batch):
    pyramid = dict(REGRESSION, num_levels=3)
    cfg = with_loss(
        distiller(),
        'loss_rpn',
        pyramid,
        'rpn_head.rpn_reg',
        record_idx=[0, 1, 2],
    )
    losses = losses_of(build(distiller=cfg).train(), batch)
    assert losses['distill.loss_rpn'] > 0
    assert losses[KEY] > 0


def test_stopped_distillation_runs_no_teacher(build, batch, monkeypatch):
    model = build().train()
    model.distillation_stopped = True
    monkeypatch.setattr(model.teacher.backbone, 'forward', refuse_to_run)
    assert KEY not in losses_of(model, batch)


@pytest.mark.parametrize(
    'bbox_head, message',
    [
        (
            dict(reg_class_agnostic=True),
            "reg_class_agnostic is True in the student's box head, False in",
        ),
        (
            dict(num_classes=3),
            "fc_reg.out_features is 12 in the student's box head, 8 in",
        ),
        (
            dict(bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder')),
            r'bbox_coder.target_stds is \[1.0.*\[0.1, 0.1, 0.2, 0.2\] in',
        ),
    ],
)
def test_refuses_regressions_that_cannot_be_compared(
    build, bbox_head, message
):
    with pytest.raises(
        UsageError, match=f'{message}.*architecture.roi_head.bbox_head'
    ):
        build(architecture=tiny_models.faster_rcnn(**bbox_head))


def test_other_layers_than_the_regression_may_differ_in_it(build, batch):
    model = build(
        architecture=tiny_models.faster_rcnn(reg_class_agnostic=True),
        distiller=distiller('roi_head.bbox_head.shared_fcs.1'),
    )
    assert losses_of(model.train(), batch)[KEY] > 0


def test_refuses_the_teachers_own_rois(build):
    with pytest.raises(
        UsageError, match=f"'{FC_REG}' sees .*Set model.student_rois=True"
    ):
        build(student_rois=False)


def test_refuses_detectors_without_rois(build, build_distill, det_pair):
    with pytest.raises(
        UsageError, match=r'the student \(RetinaNet\) has no roi_head'
    ):
        build_distill(det_pair, student_rois=True)
    cfg = tiny_models.distiller(8, 12, 'neck', 3, num_prompts=0)
    with pytest.raises(
        UsageError, match=r'the teacher \(RetinaNet\) has no roi_head'
    ):
        build(
            teacher=det_pair.teacher,
            teacher_ckpt=det_pair.teacher_ckpt,
            distiller=cfg,
        )


def test_refuses_what_is_no_layer(build):
    cfg = distiller()
    cfg.teacher_recorders['loss_regression'] = dict(
        type='Parameter', source=f'{FC_REG}.weight'
    )
    with pytest.raises(UsageError, match='student_rois=True records layers'):
        build(distiller=cfg)


def test_refuses_a_later_stage(build, batch, cascade_teacher):
    model = build(
        architecture=tiny_models.faster_rcnn(reg_class_agnostic=True),
        teacher=cascade_teacher,
        teacher_ckpt=None,
        distiller=distiller(FC_REG, 'roi_head.bbox_head.1.fc_reg'),
    ).train()
    with pytest.raises(
        UsageError,
        match=r"'roi_head.bbox_head.1.fc_reg' of the teacher has run 0",
    ):
        losses_of(model, batch)
