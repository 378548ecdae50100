"""What ends a training because of its config says so in one sentence."""

import copy
import sys
from pathlib import Path

import pytest
import tiny_models
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmfreekd.errors import UsageError
from mmfreekd.explain import explain
from mmfreekd.models.candidates import refuse_unsteady
from mmfreekd.models.zoo import build_model, read_config
from mmfreekd.registry import MODELS, dotted_types, type_name

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))


def test_a_batch_of_one_image_and_a_map_of_one_cell():
    layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    with pytest.raises(ValueError) as error:
        layer(torch.randn(1, 4, 8, 8))
    said = explain(error.value)
    assert 'batch norm' in said and 'drop_last=True' in said


class Realtime(nn.Module):
    """As PIDNet: auxiliary features in training only."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.stem = backbone, nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x):
        stem = self.stem(x)
        out = self.backbone(x)
        return (stem, *out) if self.training else tuple(out)


def test_a_layer_that_answers_differently_in_training():
    teacher = build_model(tiny_models.encoder_decoder(), 'teacher')
    refuse_unsteady(teacher, 'backbone', 'teacher')
    teacher.backbone = Realtime(teacher.backbone)
    refuse_unsteady(teacher, 'backbone.stem', 'teacher')
    with pytest.raises(
        UsageError,
        match=r"'backbone' of the teacher.*candidates are .*backbone\.stem",
    ):
        MODELS.build(
            dict(
                type='mmfreekd.FrequencyPromptTuning',
                architecture=teacher,
                source='backbone',
            )
        )


@pytest.mark.parametrize(
    'text, message',
    [
        ("_base_ = 'mmyolo::yolov5/yolov5_s.py'", 'mmyolo'),
        ("custom_imports = dict(imports='mmyolo.models')", 'mmyolo'),
        ("default_scope = 'mmyolo'\nmodel = dict(type='X')", 'mmyolo.*not in'),
        (None, "package 'mmyolo', which is not installed"),
    ],
)
def test_a_package_that_is_not_there(tmp_path, monkeypatch, text, message):
    """It is named, and not installed, as mmengine would."""
    monkeypatch.setattr('subprocess.check_call', pytest.fail)
    path = tmp_path / 'teacher.py'
    path.write_text(text or '')
    path = str(path) if text else 'mmyolo::yolov5/yolov5_s.py'
    with pytest.raises(UsageError, match=message):
        build_model(dict(cfg_path=path), 'teacher')


PURE = """
from mmengine.config import read_base
from mmseg.models import EncoderDecoder, FCNHead
from mmseg.models import ResNetV1c, SegDataPreProcessor
from mmseg.models.losses import CrossEntropyLoss
from mmfreekd.models import FreeKDDistill, FreeKDDistiller, FreeKDLoss
default_scope = None
student = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(type=SegDataPreProcessor, size=(64, 64)),
    backbone=dict(type=ResNetV1c, depth=18, base_channels=4, stem_channels=4),
    decode_head=dict(
        type=FCNHead, in_channels=32, in_index=3, channels=4, num_convs=1,
        num_classes=3, loss_decode=dict(type=CrossEntropyLoss)))
model = dict(
    type=FreeKDDistill, architecture=student, teacher=student,
    teacher_ckpt='teacher.pth',
    distiller=dict(type=FreeKDDistiller, source='backbone.layer4'))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
work_dir = 'work_dir'
"""


def test_a_config_in_pure_python(tmp_path):
    """Classes as types, and no default scope: both stages and testing."""
    from mmfreekd.compat.inference import use_student
    from mmfreekd.stages import set_prompt_ckpt, tuning_config

    path = tmp_path / 'freekd.py'
    path.write_text(PURE)
    cfg = read_config(str(path), 'the config')
    prompts = set_prompt_ckpt(cfg)
    tuning = tuning_config(cfg, prompts)
    assert tuning.model.source == 'backbone.layer4'
    written = Config.fromstring(tuning.pretty_text, '.py')
    assert written.model.architecture.type.endswith('EncoderDecoder')
    use_student(cfg)
    student = build_model(copy.deepcopy(dict(cfg.model)), 'architecture')
    assert type(student).__name__ == type_name(cfg.model) == 'EncoderDecoder'
    assert isinstance(cfg.pretty_text, str)


def test_types_are_names_or_classes():
    own = dict(type=nn.Conv2d, parts=[dict(type='mmdet.FPN'), (1, dict())])
    assert dotted_types(own) == dict(
        type='torch.nn.modules.conv.Conv2d',
        parts=[dict(type='mmdet.FPN'), (1, dict())],
    )
    assert [type_name(c) for c in (own, own['parts'][0], {})] == [
        'Conv2d',
        'FPN',
        '',
    ]


@pytest.mark.parametrize('size', [(97, 97), (64, 90), (33, 70)])
def test_sizes_fit_by_themselves(distill, size):
    student = tiny_models.encoder_decoder(size=size)
    student.backbone.strides = (1, 2, 2, 1)
    student.backbone.dilations = (1, 1, 1, 2)
    model = distill(
        student,
        tiny_models.encoder_decoder(8, size=size),
        dict(
            source='backbone.layer4', preset=dict(name='paper', num_prompts=0)
        ),
    ).train()
    losses = tiny_models.losses_of(model, tiny_models.seg_batch([size] * 2))
    assert losses['distill.loss_freekd'].isfinite()


@pytest.mark.parametrize('channels', [1, 4])
def test_images_of_other_than_three_channels(distill, channels):
    student, teacher = (
        tiny_models.encoder_decoder(
            width,
            # OneDL's takes means of 1 or 3 channels
            mean=[100.0] * channels if channels == 1 else None,
            std=[n] * channels if channels == 1 else None,
            bgr_to_rgb=False,
        )
        for width, n in ((4, 50.0), (8, 20.0))
    )
    for cfg in (student, teacher):
        cfg.backbone.in_channels = channels
    model = distill(
        student,
        teacher,
        dict(
            source='backbone.layer4', preset=dict(name='paper', num_prompts=0)
        ),
    ).train()
    batch = tiny_models.seg_batch()
    batch['inputs'] = [
        torch.randint(0, 256, (channels, 64, 64)).byte() for _ in range(2)
    ]
    losses = tiny_models.losses_of(model, batch)
    assert losses['distill.loss_freekd'].isfinite()


def test_results_are_there_when_the_last_validation_fails(cfg, tmp_path):
    """prompts.pth of stage 1 and the exported student of stage 2."""
    from mmfreekd.engine.hooks import FreeKDHook

    def run(model, name):
        part = copy.deepcopy(cfg)
        part.model, part.experiment_name = model, f'{tmp_path}/{name}'
        runner = Runner.from_cfg(part)
        runner.register_hook(FreeKDHook())
        runner.val_loop.run = broken
        with pytest.raises(RuntimeError, match='of the validation'):
            runner.train()

    def broken():
        raise RuntimeError('of the validation')

    folder = Path(cfg.work_dir)
    run(cfg.model, 'stage_2')
    assert len([*folder.glob('student_*.pth')]) == 1
    distiller = cfg.model.distiller
    tuning = dict(
        type='mmfreekd.FrequencyPromptTuning',
        architecture=cfg.model.teacher,
        teacher_ckpt=cfg.model.teacher_ckpt,
        source=distiller.source,
    )
    run(tuning, 'stage_1')
    from mmfreekd.checkpoints.prompts import read_prompts

    meta, _ = read_prompts(str(folder / 'prompts.pth'))
    assert meta['iter'] == meta['max_iters'] == 2
