"""Both stages for encoders, which have no task and need no labels."""

import copy
import logging
import sys
import weakref
from types import SimpleNamespace

import pytest
import tiny_models
import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from tiny_models import snapshot, total
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.evaluation import EmbeddingError
from mmfreekd.models import (
    Dinov2Encoder,
    EmbeddingNeck,
    FreeKDLoss,
    ImageEncoder,
    SamEncoder,
)
from mmfreekd.models.feature_errors import note_errors
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import HOOKS, METRICS, MODELS

SIZE = 64
IMAGES = torch.randn(
    2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)
)
TINY = dict(
    hidden_size=16,
    num_attention_heads=2,
    num_hidden_layers=2,
    global_attn_indexes=[1],
    window_size=3,
    output_channels=32,
)
DINOV2 = dict(hidden_size=24, num_attention_heads=2, num_hidden_layers=3)


def sam(**arch):
    """Config of an encoder of SAM's kind: 4 x 4 pixels, 32 channels."""
    pytest.importorskip('transformers')
    return dict(
        type='mmfreekd.ImageEncoder',
        backbone=dict(
            type='mmfreekd.SamEncoder', arch={**TINY, **arch}, image_size=SIZE
        ),
    )


def resnet():
    """Config of a ResNet whose light neck gives the same embedding."""
    return dict(
        type='mmfreekd.ImageEncoder',
        backbone=dict(
            type='mmdet.ResNet',
            depth=18,
            base_channels=4,
            stem_channels=4,
            out_indices=(1, 2, 3),
            norm_eval=False,
        ),
        neck=dict(
            type='mmfreekd.EmbeddingNeck',
            in_channels=[8, 16, 32],
            level=1,
            out_channels=32,
        ),
    )


def recorder(source):
    return dict(embedding=dict(type='mmrazor.ModuleOutputs', source=source))


def distil(student, teacher, loss=None, s_source='backbone', **changes):
    """Stage 2 on embeddings as they are."""
    loss = loss or dict(type='mmfreekd.FreeKDLoss', channels=32, num_prompts=0)
    cfg = dict(
        type='mmfreekd.FeatureDistill',
        architecture=student,
        teacher=teacher,
        distiller=dict(
            type='mmfreekd.FreeKDDistiller',
            student_recorders=recorder(s_source),
            teacher_recorders=recorder('backbone'),
            distill_losses=dict(loss_freekd=loss),
            loss_forward_mappings=dict(
                loss_freekd=dict(
                    s_feature=dict(recorder='embedding', from_student=True),
                    t_feature=dict(recorder='embedding', from_student=False),
                )
            ),
        ),
    )
    return MODELS.build({**cfg, **changes})


@pytest.mark.parametrize('arch', ['sam', 'resnet'])
def test_only_distillation_is_trained_on_and_only_the_student_moves(arch):
    student, source = (
        (sam(hidden_size=8), 'backbone')
        if arch == 'sam'
        else (resnet(), 'neck')
    )
    model = distil(student, sam(), s_source=source)
    before = snapshot(model.teacher)
    losses = model(IMAGES, None, mode='loss')
    assert set(losses) == {'distill.loss_freekd'}
    total(losses).backward()
    assert_close(snapshot(model.teacher), before, rtol=0, atol=0)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
    assert {n for n, _ in model.named_parameters()} == {
        n for n, _ in model.student.named_parameters()
    }


def test_it_is_the_loss_of_both_embeddings():
    teacher = build_model(sam(), 'teacher').eval()
    student = build_model(sam(hidden_size=8), 'architecture')
    model = distil(copy.deepcopy(student), copy.deepcopy(teacher))
    with torch.no_grad():
        expected = FreeKDLoss(channels=32, num_prompts=0)(
            student(IMAGES), teacher(IMAGES)
        )
        losses = model(IMAGES, None, mode='loss')
    assert_close(losses['distill.loss_freekd'], expected)


def test_the_student_runs_no_further_than_it_is_recorded():
    """A detector with its head can be distilled without labels too."""
    model = distil(
        tiny_models.retinanet(),
        tiny_models.retinanet(),
        loss=dict(
            type='mmfreekd.FreeKDLoss',
            channels=[4, 8, 16, 32],
            num_prompts=0,
        ),
    )

    def never(module, args):
        raise AssertionError('the head has run')

    model.student.bbox_head.register_forward_pre_hook(never)
    total(model(IMAGES, None, mode='loss')).backward()


def test_a_step_brings_the_student_closer():
    model = distil(sam(hidden_size=8), sam())
    optimizer = torch.optim.Adam(model.student.parameters(), 1e-3)
    values = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = total(model(IMAGES, None, mode='loss'))
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize('arch', ['sam', 'resnet'])
def test_validation_says_how_far_the_embedding_is(arch):
    """A neck puts out a map, a backbone a tuple with one: both are served."""
    student, source = (
        (sam(hidden_size=8), 'backbone')
        if arch == 'sam'
        else (resnet(), 'neck')
    )
    model = distil(student, sam(), s_source=source).eval()
    samples = model(
        IMAGES, [BaseDataElement() for _ in IMAGES], mode='predict'
    )
    with torch.no_grad():
        s, t = model.student(IMAGES), model.teacher(IMAGES)
    for i, sample in enumerate(samples):
        assert sample.embedding_mse == pytest.approx(
            float((s[i] - t[i]).square().mean()), rel=1e-4
        )
        cosine = F.cosine_similarity(s[i], t[i], dim=0).mean()
        assert sample.embedding_cosine == pytest.approx(
            float(cosine), abs=1e-5
        )


def test_validation_compares_what_training_compares():
    """The student's map is half as large and has other channels."""
    student = resnet()
    student['neck'].update(level=2, out_channels=16)
    cfg = dict(
        type='mmfreekd.FreeKDDistiller',
        student_source='neck',
        teacher_source='neck',
        preset=dict(name='paper', num_prompts=0),
    )
    model = distil(student, resnet(), distiller=cfg).eval()
    samples = model(IMAGES, None, mode='predict')
    with torch.no_grad():
        s, t = model.student(IMAGES), model.teacher(IMAGES)
        s = model.distiller.connectors['align'](s)
        s = F.interpolate(s, t.shape[2:], mode='bilinear')
    for i, sample in enumerate(samples):
        expected = float((s[i] - t[i]).square().mean())
        assert sample.embedding_mse == pytest.approx(expected, rel=1e-4)


def test_equal_features_have_no_error_and_levels_are_averaged():
    a, b = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 2, 2)
    (sample,) = note_errors(None, [a, b], [a, b + 2])
    assert sample.embedding_mse == pytest.approx(2.0, rel=1e-5)
    (sample,) = note_errors(None, [a], [a])
    assert sample.embedding_mse == 0
    assert sample.embedding_cosine == pytest.approx(1, abs=1e-6)


def test_the_metric_averages_over_images():
    metric = METRICS.build(dict(type='mmfreekd.EmbeddingError'))
    assert isinstance(metric, EmbeddingError)
    sample = dict(embedding_mse=1.0, embedding_cosine=0.5)
    metric.process({}, [sample, dict(sample, embedding_mse=4.0)])
    metric.process({}, [sample])
    assert metric.evaluate(3) == {
        'embedding/mse': 2.0,
        'embedding/cosine': 0.5,
    }


def test_two_features_have_to_be_compared():
    sides = dict(preds_S=True, preds_T=False)
    with pytest.raises(UsageError, match='s_feature with t_feature'):
        distil(
            sam(),
            sam(),
            distiller=dict(
                type='mmfreekd.FreeKDDistiller',
                student_recorders=recorder('backbone'),
                teacher_recorders=recorder('backbone'),
                distill_losses=dict(loss=dict(type='mmrazor.KLDivergence')),
                loss_forward_mappings=dict(
                    loss={
                        key: dict(recorder='embedding', from_student=side)
                        for key, side in sides.items()
                    }
                ),
            ),
        )


def test_there_is_nothing_to_go_on_with_when_it_is_stopped():
    """Even a student with a head is not to train on its task then."""
    channels = [4, 8, 16, 32]
    model = distil(
        tiny_models.retinanet(),
        tiny_models.retinanet(),
        loss=dict(
            type='mmfreekd.FreeKDLoss', channels=channels, num_prompts=0
        ),
    )
    runner = SimpleNamespace(
        epoch=1, model=model, logger=logging.getLogger(__name__)
    )
    HOOKS.build(
        dict(type='mmrazor.StopDistillHook', stop_epoch=1)
    ).before_train_epoch(runner)
    with pytest.raises(UsageError, match='remove StopDistillHook'):
        model(IMAGES, None, mode='loss')


def test_regions_of_interest_cannot_be_shared_without_heads():
    with pytest.raises(UsageError, match='remove student_rois'):
        distil(resnet(), resnet(), student_rois=True)


def tuning(**changes):
    model = dict(
        type='mmfreekd.FrequencyPromptTuning',
        task_loss=False,
        architecture=sam(),
        source='backbone',
        channels=32,
    )
    return MODELS.build({**model, **changes})


def test_stage_1_trains_prompts_to_let_the_embedding_through():
    model = tuning()
    before = snapshot(model.teacher)
    with torch.no_grad():
        feature = copy.deepcopy(model.teacher.backbone)
        feature._forward_hooks.clear()
        (feature,) = feature(IMAGES)
        prompted = model.prompts[0](feature)
    losses = model(IMAGES, None, mode='loss')
    expected = (prompted - feature).square().sum() / feature.square().sum()
    assert_close(losses['loss_reconstruction'], expected)
    assert set(losses) == {
        'loss_reconstruction',
        'loss_dissimilarity',
        'mask_overlap',
    }
    total(losses).backward()
    for key, parameter in model.named_parameters():
        assert (parameter.grad is not None) == key.startswith('prompts'), key
    assert_close(snapshot(model.teacher), before, rtol=0, atol=0)


def test_stage_1_mends_what_prompts_distort():
    model = tuning(
        loss_dissimilarity=dict(
            type='mmfreekd.PromptDissimilarityLoss', loss_weight=0.0
        )
    )
    torch.nn.init.normal_(model.prompts[0].prompts, std=0.3)
    optimizer = torch.optim.Adam(model.prompts.parameters(), 0.02)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        losses = model(IMAGES, None, mode='loss')
        total(losses).backward()
        optimizer.step()
        values.append(float(losses['loss_reconstruction']))
    assert values[-1] < 0.5 * values[0]


def test_stage_1_is_validated_by_what_passes():
    model = tuning().eval()
    samples = model(IMAGES, None, mode='predict')
    assert all(sample.embedding_mse < 0.01 for sample in samples)
    torch.nn.init.normal_(model.prompts[0].prompts, std=5)
    worse = model(IMAGES, None, mode='predict')
    assert worse[0].embedding_mse > 10 * samples[0].embedding_mse


def test_only_the_levels_that_are_prompted_count():
    cfg = resnet()
    del cfg['neck']
    model = tuning(architecture=cfg, channels=16, data_idx=[1]).eval()
    torch.nn.init.normal_(model.prompts[0].prompts, std=3)
    with torch.no_grad():
        backbone = copy.deepcopy(model.teacher.backbone)
        backbone._forward_hooks.clear()
        feature = backbone(IMAGES)[1]
        change = (model.prompts[0](feature) - feature).square()
        losses = model(IMAGES, None, mode='loss')
    assert_close(
        losses['loss_reconstruction'], change.sum() / feature.square().sum()
    )
    for i, sample in enumerate(model(IMAGES, None, mode='predict')):
        expected = float(change[i].mean())
        assert sample.embedding_mse == pytest.approx(expected, rel=1e-4)


def test_no_feature_outlives_its_iteration():
    model = tuning(architecture=resnet(), source='neck')
    kept = []
    model.teacher.neck.register_forward_hook(
        lambda module, args, output: kept.append(weakref.ref(output))
    )
    model.prompts[0].register_forward_hook(
        lambda module, args, output: kept.append(weakref.ref(output))
    )
    loss, _ = model.parse_losses(model(IMAGES, None, mode='loss'))
    loss.backward()
    model(IMAGES, None, mode='predict')
    del loss
    assert kept and not any(feature() is not None for feature in kept)
    assert not model._masks


@pytest.mark.parametrize('mode', ['loss', 'predict'])
def test_an_encoder_says_that_it_has_no_head(mode):
    model = build_model(sam(), 'architecture')
    with pytest.raises(UsageError, match='FeatureDistill'):
        model(IMAGES, None, mode=mode)


def test_sam_takes_images_of_its_size_only():
    model = build_model(sam(), 'architecture')
    with pytest.raises(UsageError, match=r'64 x 64 pixels, got \(32, 64\)'):
        model(IMAGES[:, :, :32])


def test_checkpointed_gradients_are_the_same():
    pytest.importorskip('transformers')
    plain = SamEncoder(TINY, SIZE)
    saving = SamEncoder(TINY, SIZE, with_cp=True).train()
    saving.load_state_dict(plain.state_dict())
    for encoder in (plain, saving):
        encoder(IMAGES)[0].square().mean().backward()
    for (key, a), b in zip(plain.named_parameters(), saving.parameters()):
        assert_close(a.grad, b.grad, msg=key)


@pytest.mark.parametrize('stride', [8, 16])
def test_dinov2_gives_maps_of_the_stride_that_is_asked_for(stride):
    pytest.importorskip('transformers')
    encoder = Dinov2Encoder(DINOV2, out_indices=[1, 3], stride=stride)
    maps = encoder(torch.randn(1, 3, 64, 90))
    expected = (1, 24, 64 // stride, -(-90 // stride))
    assert [tuple(m.shape) for m in maps] == [expected] * 2


def test_dinov2_tokens_lie_where_their_patches_are():
    """What changes in the last patch changes the last token the most."""
    pytest.importorskip('transformers')
    encoder = Dinov2Encoder(DINOV2).eval()
    image = torch.zeros(1, 3, 64, 96)
    other = image.clone()
    other[..., 48:, 16:32] = 3
    with torch.no_grad():
        change = (encoder(other)[0] - encoder(image)[0]).square().sum(1)[0]
    assert change.shape == (4, 6)
    assert int(change.argmax()) == 3 * 6 + 1


@pytest.mark.parametrize('encoder', [SamEncoder, Dinov2Encoder])
def test_an_unknown_architecture_is_refused(encoder):
    pytest.importorskip('transformers')
    with pytest.raises(UsageError, match=r'arch must be one of \[.b'):
        encoder('xl')


@pytest.mark.parametrize('encoder', [SamEncoder, Dinov2Encoder])
def test_without_transformers_it_says_what_to_install(encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(UsageError, match=r"pip install 'mmfreekd\[sam\]'"):
        encoder()


@pytest.mark.parametrize('encoder', [SamEncoder, Dinov2Encoder])
def test_with_an_old_torch_it_says_what_to_install(encoder, monkeypatch):
    transformers = pytest.importorskip('transformers')
    monkeypatch.setattr(transformers, 'is_torch_available', lambda: False)
    monkeypatch.setattr(torch, '__version__', '2.3.1+cpu')
    said = (
        r'newer torch than 2\.3\.1.*2\.6 at least: pip install torch==.*MMCV'
    )
    with pytest.raises(UsageError, match=said):
        encoder()


def test_mmfreekd_imports_without_transformers():
    import mmfreekd.models.encoders.optional as optional

    assert 'transformers' not in vars(optional)


def test_the_neck_mixes_levels_at_one_size():
    neck = EmbeddingNeck([8, 16], level=1, out_channels=12)
    fine, coarse = torch.randn(1, 8, 8, 6), torch.randn(1, 16, 4, 3)
    embedding = neck([fine, coarse])
    assert embedding.shape == (1, 12, 4, 3)
    assert_close(embedding.mean(1), torch.zeros(1, 4, 3), atol=1e-5, rtol=0)
    assert (neck([2 * fine, coarse]) - embedding).abs().max() > 1e-3


def test_an_encoder_without_a_neck_gives_the_backbones_levels():
    cfg = resnet()
    del cfg['neck']
    levels = build_model(cfg, 'architecture')(IMAGES)
    assert isinstance(build_model(cfg, 'architecture'), ImageEncoder)
    assert [level.size(1) for level in levels] == [8, 16, 32]
