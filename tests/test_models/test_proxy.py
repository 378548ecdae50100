"""To others both stages are the model that they train or run."""

import copy
import itertools
from types import SimpleNamespace

import pytest
import tiny_models
import torch
from mmdet.engine.hooks import NumClassCheckHook
from mmdet.engine.optimizers import LearningRateDecayOptimizerConstructor
from mmengine.config import Config
from mmengine.model import BaseModel, ExponentialMovingAverage
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.runner import Runner
from tiny_models import snapshot, total, train
from torch import nn
from torch.testing import assert_close

from mmfreekd.models import FreeKDDistill
from mmfreekd.registry import MODELS

NUMBERS = itertools.count()
HEADS = dict(RetinaNet='bbox_head', EncoderDecoder='decode_head')


@pytest.fixture(params=['distill', 'tuning'])
def algorithm(request, pair):
    """Both stages of a pair, and the model that each stands for."""
    model = request.getfixturevalue(f'build_{request.param}')(pair)
    return model, model.architecture


def test_what_others_look_for_is_found(algorithm):
    model, stands_for = algorithm
    head = HEADS[type(stands_for).__name__]
    assert getattr(model, head) is getattr(stands_for, head)
    assert model.backbone is stands_for.backbone
    assert model.with_neck == stands_for.with_neck == (head == 'bbox_head')
    assert model.data_preprocessor is stands_for.data_preprocessor
    assert model.extract_feat == stands_for.extract_feat
    for name in ('nothing', '__nothing__'):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=name):
            getattr(model, name)


def test_names_are_those_of_the_student(pair, build_distill):
    model = build_distill(pair)
    student = model.student
    for kind in ('parameters', 'buffers', 'modules'):
        ours, own = (
            dict(getattr(m, f'named_{kind}')()) for m in (model, student)
        )
        added = {name: ours.pop(name) for name in [*ours] if name not in own}
        assert all(name.split('.')[0] == 'distiller' for name in added)
        for name, value in own.items():
            assert ours[name] is (value if name else model), name
    assert [*model._modules] == [*student._modules, 'distiller']
    assert model.architecture is student and model.teacher is not None


def test_stage_1_has_nothing_but_prompts(pair, build_tuning):
    model = build_tuning(pair)
    names = {name.split('.')[0] for name, _ in model.named_parameters()}
    assert names == {'prompts'}
    teachers = {*model.teacher.modules()} - {
        *model.data_preprocessor.modules()
    }
    assert not teachers & {*model.modules()}


class ConvNeXt(nn.Module):
    """Its name and those of its layers are what layer decay goes by."""

    def __init__(self):
        super().__init__()
        self.downsample_layers, self.stages = (
            nn.ModuleList(
                nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)) for _ in range(4)
            )
            for _ in range(2)
        )

    def forward(self, x):
        for down, stage in zip(self.downsample_layers, self.stages):
            x = stage(down(x))
        return x


class Detector(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone = ConvNeXt()
        self.bbox_head = nn.Conv2d(3, 1, 1)
        self.scale = nn.Parameter(torch.ones(1))  # of no child
        self.register_buffer('seen', torch.ones(1))
        self.register_buffer('cache', torch.ones(1), persistent=False)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.bbox_head(self.backbone(inputs)) * self.scale * self.seen
        return dict(loss=out.mean()) if mode == 'loss' else out


def of_convnext(**distiller):
    return FreeKDDistill(
        Detector(),
        Detector(),
        dict(
            type='mmfreekd.FreeKDDistiller',
            source='backbone',
            preset=dict(name='paper', num_prompts=0),
            **distiller,
        ),
    )


ALIGN = dict(align=dict(type='mmfreekd.FeatureAlignConnector'))


@pytest.mark.parametrize(
    'constructor, paramwise_cfg',
    [
        (
            LearningRateDecayOptimizerConstructor,
            dict(decay_rate=0.5, decay_type='layer_wise', num_layers=6),
        ),
        (
            DefaultOptimWrapperConstructor,
            dict(
                custom_keys={
                    'backbone.stages': dict(lr_mult=0.1),
                    'scale': dict(decay_mult=0.0),
                },
                bias_lr_mult=2.0,
            ),
        ),
    ],
)
def test_the_optimiser_is_that_of_the_student_alone(
    constructor, paramwise_cfg
):
    model = of_convnext(connectors=ALIGN)
    construct = constructor(
        dict(optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.05)),
        paramwise_cfg,
    )

    def settings(module):
        groups = construct(module).optimizer.param_groups
        return {
            id(p): (group['lr'], group['weight_decay'])
            for group in groups
            for p in group['params']
        }

    ours, alone = settings(model), settings(model.student)
    assert len({lr for lr, _ in alone.values()}) > 2
    align = {id(p) for p in model.distiller.connectors.parameters()}
    assert align and ours.keys() == alone.keys() | align
    assert {key: ours[key] for key in alone} == alone


def test_a_students_own_parameters_and_buffers_are_the_algorithms():
    model = of_convnext()
    assert model.scale is model.student.scale
    batch = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    model.double()
    for side in (model.student, model.teacher):
        assert side.seen.dtype == side.scale.dtype == torch.float64
    assert model.seen is model.student.seen
    total(model(batch, None, mode='loss')).backward()
    assert model.scale.grad is not None and model.teacher.scale.grad is None
    own = model.student.state_dict().keys()
    assert {'scale', 'seen'} < model.state_dict().keys() == own


@pytest.mark.parametrize('classes, fits', [('ab', True), ('abc', False)])
def test_classes_are_checked_of_the_student_only(
    det_pair, build_distill, classes, fits
):
    teacher = tiny_models.retinanet(8, 12)
    teacher.bbox_head.num_classes = 3
    teacher = MODELS.build(teacher)
    model = build_distill(det_pair, teacher=teacher, teacher_ckpt=None)
    dataset = SimpleNamespace(metainfo=dict(classes=tuple(classes)))
    runner = SimpleNamespace(
        model=model, train_dataloader=SimpleNamespace(dataset=dataset)
    )
    if fits:
        NumClassCheckHook().before_train_epoch(runner)
        return
    with pytest.raises(AssertionError, match=r'num_classes` \(2\).*RetinaHea'):
        NumClassCheckHook().before_train_epoch(runner)


def test_a_copy_shares_the_teacher_and_nothing_else(pair, build_distill):
    model = build_distill(pair)
    model.init_weights()
    for copied in (
        copy.deepcopy(model),
        ExponentialMovingAverage(model).module,
    ):
        assert copied.teacher is model.teacher
        assert copied.student is copied.architecture is not model.student
        for name, child in copied.student.named_children():
            assert child is getattr(copied, name) is copied._modules[name]
        shared = {id(p) for p in model.parameters()}
        assert not shared & {id(p) for p in copied.parameters()}
        assert_close(copied.state_dict(), model.state_dict(), rtol=0, atol=0)
    before = snapshot(copied)
    train(model, pair.batch, steps=1)
    assert_close(snapshot(copied), before, rtol=0, atol=0)
    # it computes with its own weights
    copied.load_state_dict(model.state_dict())
    data = model.data_preprocessor(copy.deepcopy(pair.batch), training=True)
    with torch.no_grad():
        outputs = [m.eval()(**data, mode='tensor') for m in (model, copied)]
    assert_close(*outputs, rtol=0, atol=0)


def test_a_copy_of_stage_1_shares_the_teacher(pair, build_tuning):
    model = build_tuning(pair)
    copied = copy.deepcopy(model)
    assert copied.teacher is model.teacher
    assert copied.prompts[0] is not model.prompts[0]
    assert_close(snapshot(copied.prompts), snapshot(model.prompts))


def test_an_average_is_one_of_the_student(pair, build_distill):
    model = build_distill(pair)
    average = ExponentialMovingAverage(model, momentum=0.5)
    before = snapshot(model.student)
    train(model, pair.batch, steps=1)
    average.update_parameters(model)  # a copy, the first time
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.add_(2.0)
    average.update_parameters(model)
    for name, value in average.module.student.named_parameters():
        assert_close(value, model.student.get_parameter(name) - 1.0)
        assert not torch.equal(value, before[name])


def test_the_teacher_follows_to_another_dtype(algorithm, pair):
    model, _ = algorithm
    model.to(torch.float64)
    tensors = [*snapshot(model.teacher).values(), *snapshot(model).values()]
    tensors = [t for t in tensors if t.is_floating_point()]
    assert {t.dtype for t in tensors} == {torch.float64}
    data = model.data_preprocessor(copy.deepcopy(pair.batch), training=True)
    data['inputs'] = data['inputs'].double()
    losses = model.train()(**data, mode='loss')
    assert total(losses).dtype == torch.float64


def test_checkpoints_of_version_1_load(pair, build_distill):
    model, other = build_distill(pair), build_distill(pair)
    train(model, pair.batch, steps=1)
    weights = {
        key if key.startswith('distiller.') else f'architecture.{key}': value
        for key, value in model.state_dict().items()
    }
    assert any(key.startswith('architecture.') for key in weights)
    other.load_state_dict(weights, strict=True)
    assert_close(snapshot(other), snapshot(model), rtol=0, atol=0)
    key = next(iter(weights))
    del weights[key]
    own = key.removeprefix('architecture.')
    with pytest.raises(RuntimeError, match=f'Missing.*"{own}"'):
        other.load_state_dict(weights, strict=True)


OWN, TOP, FILE = (
    dict(type='mmdet.DetDataPreprocessor', mean=[n, n, n], std=[1.0, 1.0, 1.0])
    for n in (1.0, 2.0, 3.0)
)


@pytest.mark.parametrize('stage', [1, 2])
@pytest.mark.parametrize(
    'own, file, top',
    [
        combination
        for combination in itertools.product(
            (OWN, None), (FILE, None), (TOP, None)
        )
        if any(combination)
    ],
)
@pytest.mark.parametrize('as_file', [True, False])
def test_the_data_preprocessor_is_the_one_that_mmengine_takes(
    tmp_path, stage, own, file, top, as_file
):
    """Its own, else that at the top of its config, else that of the run."""
    model = tiny_models.retinanet()
    del model['data_preprocessor']
    if own:
        model.data_preprocessor = own

    def run(model, top):
        return Runner(
            model=copy.deepcopy(model),
            data_preprocessor=copy.deepcopy(top),
            work_dir=str(tmp_path),
            experiment_name=f'precedence{next(NUMBERS)}',
            default_scope='mmdet',
            log_level='ERROR',
        ).model.data_preprocessor

    expected = run(model, file if as_file and file else top)
    if as_file:
        path = tmp_path / 'config.py'
        more = dict(data_preprocessor=file) if file else {}
        Config(dict(model=model, default_scope='mmdet', **more)).dump(path)
        model = dict(cfg_path=str(path))
    if stage == 1:
        cfg = dict(type='mmfreekd.FrequencyPromptTuning', architecture=model)
    else:
        cfg = dict(
            type='mmfreekd.FreeKDDistill',
            architecture=model,
            teacher=tiny_models.retinanet(),
            distiller=dict(
                type='mmfreekd.FreeKDDistiller',
                source='neck',
                preset=dict(name='paper', num_prompts=0),
            ),
        )
    found = run(cfg, top)
    assert type(found) is type(expected)
    if hasattr(expected, 'mean'):
        assert_close(found.mean, expected.mean, rtol=0, atol=0)
