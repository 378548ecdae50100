"""Every parameter that trains has a gradient, as two processes need."""

import pytest
import tiny_models
from tiny_models import losses_of, snapshot, total, train
from torch.testing import assert_close

from mmfreekd.registry import MODELS

PLAIN = dict(name='paper', num_prompts=0)
METHOD = 'mmdet.models.detectors.retinanet.RetinaNet.extract_feat'


def methods():
    cfg = tiny_models.distiller(8, 12, num_levels=3, num_prompts=0)
    for who in ('student', 'teacher'):
        cfg[f'{who}_recorders'] = dict(
            feature=dict(type='MethodOutputs', source=METHOD)
        )
    return cfg


def checkpointed():
    cfg = tiny_models.retinanet()
    cfg.backbone.with_cp = True
    return cfg


@pytest.mark.parametrize(
    'changes',
    [
        dict(),
        dict(student=checkpointed()),
        dict(distiller=dict(source='backbone.layer2', preset=PLAIN)),
        dict(distiller=dict(source='neck', data_idx=[2], preset=PLAIN)),
        dict(distiller=methods()),
        dict(
            student=tiny_models.faster_rcnn(),
            teacher=tiny_models.faster_rcnn(8, 12),
            student_rois=True,
        ),
    ],
    ids='neck with_cp backbone one_level method rois'.split(),
)
@pytest.mark.parametrize('task', [True, False])
def test_no_parameter_waits_for_a_gradient(distill, changes, task):
    model = distill(calculate_student_loss=task, **changes).train()
    total(losses_of(model, tiny_models.det_batch())).backward()
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert any(name.startswith('backbone') for name in trained)
    assert not [n for n in trained if model.get_parameter(n).grad is None]
    if task:
        assert [*trained] == [n for n, _ in model.named_parameters()]


def test_what_is_not_reached_stays_as_it_is(distill):
    model = distill(
        distiller=dict(source='neck', data_idx=[1], preset=PLAIN),
        calculate_student_loss=False,
    )
    before = snapshot(model)
    train(model, tiny_models.det_batch())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert not parameter.equal(before[name]), name
        else:
            assert_close(parameter.data, before[name], rtol=0, atol=0)
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert 'neck.fpn_convs.0.conv.weight' in frozen
    assert 'neck.fpn_convs.1.conv.weight' not in frozen


@pytest.mark.parametrize('task', [True, False])
@pytest.mark.parametrize('again', [False, True])
def test_layers_that_are_replaced_after_all_was_attached(distill, task, again):
    model = distill(calculate_student_loss=task).train()
    if again:  # in the middle of a training
        losses_of(model, tiny_models.det_batch())
    model.neck = neck = MODELS.build(tiny_models.retinanet().neck)
    losses = losses_of(model, tiny_models.det_batch())
    losses['distill.loss_freekd'].backward()
    assert all(p.grad.any() for p in neck.parameters())
