"""Configured without effect: refused, not ignored."""

from types import SimpleNamespace

import pytest
import tiny_models
from mmengine.runner import EpochBasedTrainLoop
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from mmrazor.engine.hooks import StopDistillHook as RazorStopDistillHook
from mmrazor.engine.runner import SingleTeacherDistillValLoop
from tiny_models import losses_of

from mmfreekd.engine.hooks import StopDistillHook
from mmfreekd.engine.hooks.freekd_hook import refuse_razor_parts
from mmfreekd.errors import UsageError
from mmfreekd.models import FeatureAlignConnector
from mmfreekd.registry import MODELS

NECK = dict(type='ModuleOutputs', source='neck')
CWD = dict(type='mmrazor.ChannelWiseDivergence')
ALIGN = dict(
    type='mmfreekd.FeatureAlignConnector', in_channels=8, out_channels=8
)
SHORT = dict(source='neck', preset=dict(name='paper', num_prompts=0))
STUDENT, TEACHER = (
    dict(recorder='feature', from_student=of_student)
    for of_student in (True, False)
)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(distill_losses=dict(loss_cwd=CWD)), 'distill_losses.loss_cwd'),
        (dict(connectors=dict(spare=ALIGN)), 'connectors.spare'),
        (dict(student_recorders=dict(more=NECK)), 'student_recorders.more'),
        (dict(teacher_recorders=dict(more=NECK)), 'teacher_recorders.more'),
        (
            dict(
                distill_losses=dict(cwd=CWD),
                loss_forward_mappings=dict(
                    cwd=dict(preds_S=STUDENT, preds_T=TEACHER)
                ),
            ),
            'cwd would not be trained on.*Call it loss_cwd',
        ),
        (
            dict(
                distill_losses=dict(loss_cwd=CWD),
                loss_forward_mappings=dict(
                    loss_cwd=dict(preds_S=TEACHER, preds_T=TEACHER)
                ),
            ),
            'loss_cwd would not compare student and teacher',
        ),
    ],
)
def test_parts_that_are_not_used(distill, changes, message):
    with pytest.raises(UsageError, match=message):
        distill(distiller=dict(SHORT, **changes))


def test_a_distiller_that_distils_nothing(distill):
    with pytest.raises(UsageError, match='nothing is distilled'):
        distill(distiller={})


def test_a_distiller_without_these_checks(distill):
    long = tiny_models.distiller(8, 12, num_levels=3, num_prompts=0)
    long.type = 'mmrazor.ConfigurableDistiller'
    with pytest.raises(UsageError, match='must be mmfreekd.FreeKDDistiller'):
        distill(distiller=long)


def test_a_delivery_that_delivers_nothing(distill):
    spare = dict(
        type='FunctionOutputs',
        func_path='mmdet.models.utils.misc.unmap',
        max_keep_data=1,
    )
    model = distill(
        distiller=dict(SHORT, distill_deliveries=dict(spare=spare))
    )
    with pytest.raises(UsageError, match='distill_deliveries.spare has no ef'):
        losses_of(model, tiny_models.det_batch())


def frozen_stages(student):
    student.backbone.frozen_stages = 4
    return student


def recomputed(student):
    student.backbone.with_cp = True
    return student


@pytest.mark.parametrize(
    'change, source, works',
    [
        (frozen_stages, 'backbone.layer4', False),
        (frozen_stages, 'neck', True),
        (recomputed, 'backbone.layer4.1.conv2', False),
        (recomputed, 'backbone.layer4', True),
    ],
)
@pytest.mark.parametrize('task', [True, False])
def test_a_feature_without_gradient(distill, change, source, works, task):
    model = distill(
        change(tiny_models.retinanet()),
        distiller=dict(SHORT, source=source),
        calculate_student_loss=task,
    ).train()
    if works:
        losses_of(model, tiny_models.det_batch())
        return
    with pytest.raises(UsageError, match=f"'{source}' have no gradient"):
        losses_of(model, tiny_models.det_batch())


def test_activations_that_mmengine_recomputes(distill):
    model = distill(distiller=dict(SHORT, source='backbone.layer4')).train()
    turn_on_activation_checkpointing(model, ['backbone'])
    with pytest.raises(UsageError, match='activation_checkpointing'):
        losses_of(model, tiny_models.det_batch())


def test_a_connector_that_detaches(distill, monkeypatch):
    model = distill().train()
    forward = FeatureAlignConnector.forward
    monkeypatch.setattr(
        FeatureAlignConnector,
        'forward',
        lambda self, x, *sizes: forward(self, [y.detach() for y in x], *sizes),
    )
    with pytest.raises(UsageError, match='a connector before it, detaches'):
        losses_of(model, tiny_models.det_batch())


def runner_of(model, by_epoch=False, **parts):
    runner = dict(
        model=model,
        train_loop=object.__new__(EpochBasedTrainLoop) if by_epoch else None,
        max_iters=10,
        max_epochs=10,
        hooks=[],
        val_loop=None,
    )
    return SimpleNamespace(**{**runner, **parts})


@pytest.mark.parametrize(
    'stop, by_epoch, message',
    [
        (dict(stop_epoch=1), False, 'stop_epoch=1 is never.*set stop_iter'),
        (dict(stop_iter=10), False, 'stop_iter=10 is never.*ends at 10'),
        (dict(stop_epoch=12), True, 'stop_epoch=12 is never.*ends at 10'),
        (dict(stop_iter=9), False, None),
        (dict(stop_epoch=9), True, None),
    ],
)
def test_a_stop_that_never_comes(distill, stop, by_epoch, message):
    hook = StopDistillHook(**stop)
    runner = runner_of(distill(), by_epoch=by_epoch)
    if message is None:
        hook.before_train(runner)
        return
    with pytest.raises(UsageError, match=message):
        hook.before_train(runner)


def test_a_stop_after_which_nothing_trains(distill):
    hook = StopDistillHook(stop_iter=1)
    tuning = MODELS.build(
        dict(
            type='mmfreekd.FrequencyPromptTuning',
            architecture=tiny_models.retinanet(),
        )
    )
    for model in (
        distill(calculate_student_loss=False),
        tuning,
        tuning.teacher,
    ):
        with pytest.raises(UsageError, match=type(model).__name__):
            hook.before_train(runner_of(model))


@pytest.mark.parametrize(
    'where, kind',
    [('hook', RazorStopDistillHook), ('loop', SingleTeacherDistillValLoop)],
)
def test_parts_of_mmrazor_that_do_something_else(where, kind):
    part = object.__new__(kind)
    parts = dict(hooks=[part]) if where == 'hook' else dict(val_loop=part)
    with pytest.raises(UsageError, match=f'Take mmfreekd.{kind.__name__}'):
        refuse_razor_parts(runner_of(None, **parts))
