"""What the official recipe adds to FreeKDLoss, each on or off."""

import copy

import pytest
import tiny_models
import torch
from tiny_models import losses_of, snapshot, total, train, with_loss
from torch.nn import functional as F
from torch.testing import assert_close

from mmfreekd.errors import UsageError

SPATIAL = dict(
    type='mmfreekd.PyramidLoss',
    loss=dict(type='mmrazor.L2Loss', normalize=False, div_element=True),
    num_levels=3,
    loss_weight=5.0,
)
REGRESSION = dict(
    type='mmfreekd.PyramidLoss',
    loss=dict(type='mmdet.SmoothL1Loss'),
    num_levels=3,
    loss_weight=1.0,
)
LEVELS = [0, 1, 2]


def distiller(pair, spatial=True, regression=True):
    cfg = tiny_models.distiller(
        pair.in_channels,
        pair.channels,
        pair.source,
        pair.num_levels,
        prompt_ckpt=pair.prompt_ckpt,
    )
    if spatial:
        with_loss(cfg, 'loss_spatial', SPATIAL, 'neck', align='align')
    if regression:
        source = 'bbox_head.retina_reg'
        with_loss(
            cfg, 'loss_regression', REGRESSION, source, record_idx=LEVELS
        )
    return cfg


def outputs_of(model, source):
    """A list that fills with what a layer puts out."""
    outputs = []
    model.get_submodule(source).register_forward_hook(
        lambda module, inputs, output: outputs.append(output), prepend=True
    )
    return outputs


@pytest.mark.parametrize('spatial', [True, False])
@pytest.mark.parametrize('regression', [True, False])
def test_each_is_there_or_not(det_pair, build_distill, spatial, regression):
    cfg = distiller(det_pair, spatial, regression)
    model = build_distill(det_pair, distiller=cfg)
    model.init_weights()
    losses = losses_of(model.train(), det_pair.batch)
    assert ('distill.loss_spatial' in losses) == spatial
    assert ('distill.loss_regression' in losses) == regression
    teacher, student = snapshot(model.teacher), snapshot(model.student)
    train(model, det_pair.batch)
    assert_close(snapshot(model.teacher), teacher, rtol=0, atol=0)
    for name, value in model.student.named_parameters():
        assert not torch.equal(value, student[name]), name


def test_they_are_what_the_recipe_says(det_pair, build_distill):
    model = build_distill(det_pair, distiller=distiller(det_pair)).train()
    necks, boxes = zip(
        *(
            (outputs_of(m, 'neck'), outputs_of(m, 'bbox_head.retina_reg'))
            for m in (model.student, model.teacher)
        )
    )
    losses = losses_of(model, det_pair.batch)
    (s_neck,), (t_neck,) = necks
    s_neck = model.distiller.connectors['align'](s_neck)
    spatial = sum(map(F.mse_loss, s_neck, t_neck))
    assert_close(losses['distill.loss_spatial'], 5 * spatial)
    s_boxes, t_boxes = boxes
    assert len(s_boxes) == len(t_boxes) == 3
    regression = sum(map(F.smooth_l1_loss, s_boxes, t_boxes))
    assert_close(losses['distill.loss_regression'], regression)
    assert regression > 0


@pytest.mark.parametrize('name', ['loss_spatial', 'loss_regression'])
def test_weight_zero_is_as_good_as_leaving_it_out(
    det_pair, build_distill, name
):
    gradients = []
    for off in (True, False):
        torch.manual_seed(3)
        cfg = distiller(
            det_pair,
            spatial=off or name != 'loss_spatial',
            regression=off or name != 'loss_regression',
        )
        if off:
            cfg.distill_losses[name] = dict(
                cfg.distill_losses[name], loss_weight=0.0
            )
        model = build_distill(det_pair, distiller=cfg).train()
        losses = losses_of(model, det_pair.batch)
        assert losses.get(f'distill.{name}', 0) == 0
        total(losses).backward()
        gradients.append({n: p.grad for n, p in model.named_parameters()})
    assert_close(*gradients)


def test_each_of_them_alone_reaches_the_student(det_pair, build_distill):
    model = build_distill(det_pair, distiller=distiller(det_pair)).train()
    losses = losses_of(model, det_pair.batch)
    head = model.student.bbox_head.retina_reg.weight
    stem = model.student.backbone.conv1.weight
    for name, reached in (
        ('loss_regression', [head, stem]),
        ('loss_spatial', [stem]),
    ):
        grads = torch.autograd.grad(
            losses[f'distill.{name}'], reached, retain_graph=True
        )
        assert all(grad.any() for grad in grads)


def test_the_teacher_ends_with_the_last_recorded_level(
    det_pair, build_distill
):
    model = build_distill(det_pair, distiller=distiller(det_pair)).train()
    ran = outputs_of(model.teacher, 'bbox_head')
    boxes = outputs_of(model.teacher, 'bbox_head.retina_reg')
    losses_of(model, det_pair.batch)
    assert len(boxes) == 3
    assert not ran


def test_an_identical_student_has_nothing_to_learn(det_pair, build_distill):
    cfg = tiny_models.distiller(12, 12, 'neck', 3, num_prompts=0)
    with_loss(cfg, 'loss_spatial', SPATIAL, 'neck')
    with_loss(
        cfg,
        'loss_regression',
        REGRESSION,
        'bbox_head.retina_reg',
        record_idx=LEVELS,
    )
    model = build_distill(
        det_pair,
        architecture=copy.deepcopy(det_pair.teacher),
        distiller=cfg,
        inherit=['backbone', 'neck', 'bbox_head'],
    )
    model.init_weights()
    model.train()
    model.student.backbone.eval()  # the teacher's statistics
    losses = losses_of(model, det_pair.batch)
    assert losses['distill.loss_spatial'] == 0
    assert losses['distill.loss_regression'] == 0


@pytest.mark.parametrize('who', ['student', 'teacher'])
def test_refuses_a_layer_that_does_not_run_so_often(
    det_pair, build_distill, who
):
    cfg = distiller(det_pair, regression=False)
    with_loss(
        cfg,
        'loss_regression',
        REGRESSION,
        'neck' if who == 'student' else 'bbox_head.retina_reg',
        'neck' if who == 'teacher' else 'bbox_head.retina_reg',
        record_idx=LEVELS,
    )
    model = build_distill(det_pair, distiller=cfg).train()
    message = (
        r"'neck' of the student has run 1 time\(s\), but recorder "
        r"'loss_regression' is asked for record_idx=\[0, 1, 2\]"
        if who == 'student'
        else 'teacher ran to its end without passing neck as often as'
    )
    with pytest.raises(UsageError, match=message):
        losses_of(model, det_pair.batch)
