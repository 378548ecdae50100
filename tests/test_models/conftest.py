"""A detection and a segmentation pair, and the files of their teachers."""

import copy
from types import SimpleNamespace

import pytest
import tiny_models
import torch

from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.models import FrequencyPrompt
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS


def _pair(
    folder, student, teacher, in_channels, channels, source, num_levels, batch
):
    """Everything a test needs of a pair; its teacher lies in a file."""
    torch.manual_seed(1)
    model = build_model(copy.deepcopy(teacher), 'teacher')
    for name, buffer in model.named_buffers():
        if name.endswith('running_var'):  # a teacher that has seen images
            buffer.uniform_(0.5, 2)
    teacher_ckpt, prompt_ckpt = folder / 'teacher.pth', folder / 'prompts.pth'
    torch.save(dict(meta={}, state_dict=model.state_dict()), teacher_ckpt)
    prompts = torch.nn.ModuleList(
        FrequencyPrompt(channels) for _ in range(num_levels or 1)
    )
    for prompt in prompts:
        torch.nn.init.normal_(prompt.prompts)
    save_prompts(prompts, str(prompt_ckpt))
    return SimpleNamespace(
        student=student,
        teacher=teacher,
        in_channels=in_channels,
        channels=channels,
        source=source,
        num_levels=num_levels,
        teacher_ckpt=str(teacher_ckpt),
        prompt_ckpt=str(prompt_ckpt),
        batch=batch,
    )


@pytest.fixture(scope='session')
def det_pair(tmp_path_factory):
    return _pair(
        tmp_path_factory.mktemp('det'),
        tiny_models.retinanet(),
        tiny_models.retinanet(base_channels=8, neck_channels=12),
        8,
        12,
        'neck',
        3,
        tiny_models.det_batch([(64, 64), (50, 60)]),
    )


@pytest.fixture(scope='session')
def two_stage_pair(tmp_path_factory):
    return _pair(
        tmp_path_factory.mktemp('two_stage'),
        tiny_models.faster_rcnn(),
        tiny_models.faster_rcnn(base_channels=8, neck_channels=12),
        8,
        12,
        'neck',
        3,
        tiny_models.det_batch([(64, 64), (50, 60)]),
    )


@pytest.fixture(scope='session')
def seg_pair(tmp_path_factory):
    return _pair(
        tmp_path_factory.mktemp('seg'),
        tiny_models.encoder_decoder(),
        tiny_models.encoder_decoder(base_channels=8),
        32,
        64,
        'backbone.layer4',
        None,
        tiny_models.seg_batch([(64, 64), (50, 60)]),
    )


@pytest.fixture(params=['det', 'seg'])
def pair(request):
    """Each of the two pairs in turn."""
    return request.getfixturevalue(f'{request.param}_pair')


@pytest.fixture
def build_tuning():
    """Builds stage 1 for a pair."""

    def build(pair, **changes):
        cfg = tiny_models.prompt_tuning(
            copy.deepcopy(pair.teacher),
            pair.teacher_ckpt,
            pair.channels,
            pair.source,
            num_levels=pair.num_levels,
        )
        cfg.update(changes)
        return MODELS.build(cfg)

    return build


@pytest.fixture
def build_distill():
    """Builds stage 2 for a pair; ``loss`` changes its FreeKDLoss."""

    def build(pair, loss=None, **changes):
        cfg = dict(
            type='mmfreekd.FreeKDDistill',
            architecture=copy.deepcopy(pair.student),
            teacher=copy.deepcopy(pair.teacher),
            teacher_ckpt=pair.teacher_ckpt,
            distiller=tiny_models.distiller(
                pair.in_channels,
                pair.channels,
                pair.source,
                pair.num_levels,
                **{'prompt_ckpt': pair.prompt_ckpt, **(loss or {})},
            ),
        )
        cfg.update(changes)
        return MODELS.build(cfg)

    return build
