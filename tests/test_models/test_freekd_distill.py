import copy
import warnings
from pathlib import Path

import pytest
import tiny_models
import torch
from mmrazor.models.algorithms import SingleTeacherDistill
from tiny_models import losses_of, snapshot, total, train
from torch.testing import assert_close

from mmfreekd.errors import CheckpointError, UsageError
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS


def saved_teacher(pair):
    return dict(torch.load(pair.teacher_ckpt)['state_dict'])


def refuse_to_run(*args, **kwargs):
    raise AssertionError('this must not run')


def head_of(model):
    return getattr(model, 'bbox_head', None) or model.decode_head


def test_changes_neither_teacher_nor_prompts(pair, build_distill):
    model = build_distill(pair)
    model.init_weights()
    loss = model.distiller.distill_losses['loss_freekd']
    teacher, prompts = snapshot(model.teacher), snapshot(loss)
    student = snapshot(model.student)
    train(model, pair.batch)
    assert_close(snapshot(model.teacher), teacher, rtol=0, atol=0)
    assert_close(snapshot(loss), prompts, rtol=0, atol=0)
    assert_close(
        dict(model.teacher.state_dict()), saved_teacher(pair), rtol=0, atol=0
    )
    for name, value in model.student.named_parameters():
        assert not torch.equal(value, student[name]), name


def test_every_parameter_that_trains_gets_a_gradient(pair, build_distill):
    model = build_distill(pair).train()
    total(losses_of(model, pair.batch)).backward()
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    assert reached == trained
    assert trained == {
        *(n for n, _ in model.student.named_parameters()),
        *(n for n in trained if n.startswith('distiller.connectors.')),
    }
    for parameter in model.distiller.connectors.parameters():
        assert parameter.grad.abs().max() > 0


def test_the_frequency_loss_alone_reaches_the_student(pair, build_distill):
    model = build_distill(pair, calculate_student_loss=False).train()
    losses = losses_of(model, pair.batch)
    assert losses.keys() == {'distill.loss_freekd'}
    losses['distill.loss_freekd'].backward()
    assert model.student.backbone.layer4[0].conv1.weight.grad.any()


def test_an_image_without_objects_is_no_error(det_pair, build_distill):
    model = build_distill(det_pair).train()
    batch = tiny_models.det_batch([(64, 64)])
    (sample,) = batch['data_samples']
    sample.gt_instances = sample.gt_instances[:0]
    losses = losses_of(model, batch)
    assert total(losses).isfinite()
    assert losses['distill.loss_freekd'] > 0


def test_log_keys(pair, build_distill):
    model = build_distill(pair).train()
    student = {f'student.{k}' for k in losses_of(model.student, pair.batch)}
    losses = losses_of(model, pair.batch)
    assert losses.keys() == student | {'distill.loss_freekd'}


def test_the_loss_is_that_of_the_recorded_features(pair, build_distill):
    model = build_distill(pair).train()
    features = []
    for side in (model.teacher, model.student):
        side.get_submodule(pair.source).register_forward_hook(
            lambda module, inputs, output: features.append(output),
            prepend=True,
        )
    losses = losses_of(model, pair.batch)
    t_feature, s_feature = features
    distiller = model.distiller
    expected = distiller.distill_losses['loss_freekd'](
        distiller.connectors['align'](s_feature), t_feature
    )
    assert_close(losses['distill.loss_freekd'], expected)


def test_the_teachers_head_never_runs(pair, build_distill, monkeypatch):
    model = build_distill(pair).train()
    head = head_of(model.teacher)
    for name in ('forward', 'loss', 'predict'):
        monkeypatch.setattr(head, name, refuse_to_run)
    losses_of(model, pair.batch)


def test_the_teacher_leaves_no_graph(pair, build_distill):
    model = build_distill(pair).train()
    model.teacher.requires_grad_(True)
    features = []
    model.teacher.get_submodule(pair.source).register_forward_hook(
        lambda module, inputs, output: features.append(output), prepend=True
    )
    losses_of(model, pair.batch)
    levels = features[0] if pair.num_levels else features
    assert not any(level.requires_grad for level in levels)


@pytest.mark.parametrize('mode', [True, False])
def test_the_teacher_stays_in_evaluation(pair, build_distill, mode):
    model = build_distill(pair)
    assert model.train(mode) is model
    assert not any(m.training for m in model.teacher.modules())
    assert all(m.training == mode for m in model.student.modules())


def test_checkpoints_know_no_teacher_and_no_prompts(pair, build_distill):
    model = build_distill(pair)
    weights = model.state_dict().keys()
    student = model.student.state_dict().keys()
    assert student < weights
    assert {key.split('.')[1] for key in weights - student} == {'connectors'}


def test_checkpoints_load_strictly(pair, build_distill):
    model = build_distill(pair)
    train(model, pair.batch, steps=1)
    other = build_distill(pair)
    other.load_state_dict(model.state_dict(), strict=True)
    assert_close(snapshot(other), snapshot(model), rtol=0, atol=0)


def test_a_checkpoint_without_the_student_is_refused(pair, build_distill):
    model = build_distill(pair)
    weights = model.state_dict()
    name = 'backbone.conv1.weight'
    name = name if name in weights else next(iter(weights))
    del weights[name]
    with pytest.raises(RuntimeError, match=f'Missing key.*"{name}"'):
        model.load_state_dict(weights, strict=True)


def test_predicts_as_the_student(det_pair, build_distill):
    model = build_distill(det_pair).eval()
    data = model.data_preprocessor(copy.deepcopy(det_pair.batch))
    with torch.no_grad():
        assert_close(
            model(**data, mode='tensor'),
            model.student(**data, mode='tensor'),
            rtol=0,
            atol=0,
        )


def test_stopped_distillation_runs_no_teacher(
    pair, build_distill, monkeypatch
):
    model = build_distill(pair).train()
    model.distillation_stopped = True
    monkeypatch.setattr(model.teacher.backbone, 'forward', refuse_to_run)
    losses = losses_of(model, pair.batch)
    assert 'distill.loss_freekd' not in losses
    assert_close(losses['distill.loss_stopped'], torch.tensor(0.0))
    total(losses).backward()
    # DistributedDataParallel waits for a gradient of each of them
    for parameter in model.distiller.parameters():
        assert_close(parameter.grad, torch.zeros_like(parameter))


def test_stopped_distillation_is_training_alone(pair, build_distill):
    model = build_distill(pair).train()
    model.distillation_stopped = True
    torch.manual_seed(3)
    losses = losses_of(model, pair.batch)
    model = build_distill(pair, architecture=model.student).train()
    torch.manual_seed(3)
    alone = losses_of(model.student, pair.batch)
    for name, value in alone.items():
        assert_close(losses[f'student.{name}'], value)


@pytest.mark.parametrize(
    'normalization',
    [
        dict(
            mean=[103.53, 116.28, 123.675],
            std=[1.0, 1.0, 1.0],
            bgr_to_rgb=False,
        ),
        dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0]),
    ],
)
def test_the_teacher_sees_its_own_normalisation(
    pair, build_distill, normalization
):
    teacher = copy.deepcopy(pair.teacher)
    teacher.data_preprocessor.update(normalization)
    model = build_distill(pair, teacher=teacher).train()
    seen = []
    model.teacher.backbone.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0])
    )
    losses_of(model, pair.batch)
    expected = model.teacher.data_preprocessor(
        copy.deepcopy(pair.batch), training=True
    )['inputs']
    assert_close(seen[0], expected, rtol=1e-5, atol=2e-5)


def test_trains_under_autocast(pair, build_distill):
    model = build_distill(pair).train()
    with torch.autocast('cpu', torch.bfloat16):
        losses = losses_of(model, pair.batch)
    assert losses['distill.loss_freekd'].dtype == torch.float32
    total(losses).backward()
    for name, parameter in model.distiller.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_plain_frequency_distillation_needs_no_prompts(pair, build_distill):
    model = build_distill(pair, loss=dict(num_prompts=0, prompt_ckpt=None))
    model.init_weights()
    train(model, pair.batch, steps=1)


def test_keeps_what_init_weights_finds(pair, build_distill):
    model = build_distill(pair)
    loss = model.distiller.distill_losses['loss_freekd']
    prompts = snapshot(loss)
    model.init_weights()
    assert_close(
        dict(model.teacher.state_dict()), saved_teacher(pair), rtol=0, atol=0
    )
    assert_close(snapshot(loss), prompts, rtol=0, atol=0)


def test_a_built_teacher_keeps_its_weights(pair, build_distill):
    teacher = build_model(copy.deepcopy(pair.teacher), 'teacher')
    before = snapshot(teacher)
    model = build_distill(pair, teacher=teacher, teacher_ckpt=None)
    model.init_weights()
    assert_close(snapshot(model.teacher), before, rtol=0, atol=0)


def test_refuses_a_teacher_with_random_weights(det_pair, build_distill):
    model = build_distill(det_pair, teacher_ckpt=None)
    with pytest.raises(
        UsageError, match='random weights. Set model.teacher_ckpt'
    ):
        model.init_weights()


def test_refuses_prompts_that_no_stage_1_has_tuned(det_pair, build_distill):
    model = build_distill(det_pair, loss=dict(prompt_ckpt=None))
    with pytest.raises(
        UsageError,
        match='loss_freekd has no frequency '
        'prompts. Tune them in stage 1: python tools/train',
    ):
        model.init_weights()


def test_a_checkpoint_of_another_teacher_is_listed(
    det_pair, seg_pair, build_distill
):
    with pytest.raises(CheckpointError) as error:
        build_distill(det_pair, teacher_ckpt=seg_pair.teacher_ckpt)
    message = str(error.value)
    missing, left_over = message.split('left over in the file')
    assert 'teacher_ckpt' in message and 'this RetinaNet' in message
    assert 'neck.lateral_convs.0.conv.weight' in missing
    assert 'decode_head' in left_over or 'stem' in left_over


def test_refuses_a_checkpoint_of_another_width(det_pair, build_distill):
    with pytest.raises(
        CheckpointError,
        match=r'(?s)of another shape.*'
        r'backbone.conv1.weight is \(8, 3, 7, 7\), expected '
        r'\(16, 3, 7, 7\)',
    ):
        build_distill(det_pair, teacher=tiny_models.retinanet(16, 12))


def test_refuses_a_teacher_checkpoint_that_is_not_there(
    det_pair, build_distill
):
    with pytest.raises(
        CheckpointError, match="teacher_ckpt: there is no file 'no/such.pth'"
    ):
        build_distill(det_pair, teacher_ckpt='no/such.pth')


def test_refuses_a_source_that_does_not_exist(det_pair, build_distill):
    distiller = tiny_models.distiller(
        8, 12, 'necks', 3, prompt_ckpt=det_pair.prompt_ckpt
    )
    with pytest.raises(
        UsageError,
        match=r'the student \(RetinaNet\) has no '
        "layer 'necks'.*neck",
    ):
        build_distill(det_pair, distiller=distiller)


def test_refuses_features_of_other_channels_without_a_connector(
    det_pair, build_distill
):
    distiller = tiny_models.distiller(
        8, 12, 'neck', 3, prompt_ckpt=det_pair.prompt_ckpt
    )
    del distiller.loss_forward_mappings.loss_freekd.s_feature['connector']
    del distiller['connectors']
    model = build_distill(det_pair, distiller=distiller).train()
    with pytest.raises(
        UsageError,
        match=r'the student is \(2, 8, 8, 8\), '
        r'that of the teacher \(2, 12, 8, 8\).*'
        'FeatureAlignConnector',
    ):
        losses_of(model, det_pair.batch)


def test_losses_and_connectors_work_in_plain_mmrazor(pair, build_distill):
    """The same value in an algorithm that knows nothing of mmfreekd."""
    ours = build_distill(pair).train()
    distiller = tiny_models.distiller(
        pair.in_channels,
        pair.channels,
        pair.source,
        pair.num_levels,
        prompt_ckpt=pair.prompt_ckpt,
    )
    distiller.type = 'mmrazor.ConfigurableDistiller'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = MODELS.build(
            dict(
                type='mmrazor.SingleTeacherDistill',
                architecture=copy.deepcopy(pair.student),
                teacher=copy.deepcopy(pair.teacher),
                teacher_ckpt=pair.teacher_ckpt,
                distiller=distiller,
            )
        )
    assert type(model) is SingleTeacherDistill
    model.architecture.load_state_dict(ours.student.state_dict())
    model.distiller.load_state_dict(ours.distiller.state_dict())
    model.train()
    name = 'distill.loss_freekd'
    assert_close(
        losses_of(model, pair.batch)[name], losses_of(ours, pair.batch)[name]
    )
    teacher = snapshot(model.teacher)
    train(model, pair.batch, steps=1)
    assert_close(snapshot(model.teacher), teacher, rtol=0, atol=0)


def test_a_checkpoint_of_something_else_is_refused(det_pair, build_distill):
    with pytest.raises(CheckpointError, match='nothing of this FreeKDDistill'):
        build_distill(det_pair).load_state_dict(
            {'a.weight': torch.ones(1)}, strict=False
        )


@pytest.mark.parametrize('tuned_on, warned', [('same', 0), ('other.pth', 1)])
def test_reports_prompts_that_were_tuned_on_another_teacher(
    det_pair, build_distill, monkeypatch, tuned_on, warned
):
    from mmfreekd.models.algorithms import freekd_distill

    said = []
    monkeypatch.setattr(
        freekd_distill, 'print_log', lambda text, **kwargs: said.append(text)
    )
    model = build_distill(det_pair)
    loss = model.distiller.distill_losses['loss_freekd']
    same = f'elsewhere/{Path(det_pair.teacher_ckpt).name}'
    loss.prompt_meta['teacher_ckpt'] = same if tuned_on == 'same' else tuned_on
    model.init_weights()
    assert len([text for text in said if 'tuned on' in text]) == warned
