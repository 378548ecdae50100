"""Tokens of a DINO's encoder as maps: folded, recorded, prompted."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tiny_models import det_batch, distiller, losses_of, snapshot, total
from torch.testing import assert_close

import mmfreekd.registry  # noqa: F401
from mmfreekd.errors import UsageError
from mmfreekd.models import FrequencyPrompt
from mmfreekd.models.tokens import fold_tokens, unfold_maps
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS
from mmfreekd.stages import set_prompt_ckpt, tuning_config

SHAPES = [(3, 4), (2, 2), (1, 2)]
SIZE = [(64, 64), (50, 60)]
CONFIGS = Path(__file__).parents[2] / 'configs'
NORMALISED = [
    *sorted(CONFIGS.glob('freekd/mmdet/freekd*_dino_*.py')),
    *CONFIGS.glob('freekd/mmdet/freekd_deformable-detr_*.py'),
    CONFIGS / 'foundation/shapes/freekd-encoder_dino_r18w32_r18w8_shapes.py',
]


def tiny_dino(scales=4, stages=(0, 1, 2, 3)):
    """A DINO of the zoo, small but for its 256 channels, which are fixed."""
    from mmengine.hub import get_config

    model = get_config('mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py').model
    layer = dict(
        self_attn_cfg=dict(num_levels=scales),
        ffn_cfg=dict(feedforward_channels=16),
    )
    decoder_layer = dict(
        cross_attn_cfg=dict(num_levels=scales),
        ffn_cfg=dict(feedforward_channels=16),
    )
    changes = dict(
        num_queries=10,
        num_feature_levels=scales,
        backbone=dict(
            depth=18, base_channels=4, stem_channels=4, init_cfg=None
        ),
        neck=dict(
            in_channels=[4 * 2**i for i in stages],
            num_outs=scales,
        ),
        encoder=dict(num_layers=1, layer_cfg=layer),
        decoder=dict(num_layers=1, layer_cfg=decoder_layer),
        bbox_head=dict(num_classes=2),
        dn_cfg=dict(group_cfg=dict(num_dn_queries=4)),
    )
    cfg = Config(dict(model=model))
    cfg.merge_from_dict(dict(model=changes))
    cfg.model.backbone.out_indices = stages
    for name in ('bbox_head', 'encoder', 'decoder'):
        cfg.model[name].pop('init_cfg', None)
    return cfg.model


@pytest.fixture
def dino():
    """A DINO of four scales with weights."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    model = build_model(tiny_dino(), 'teacher')
    torch.nn.init.normal_(model.level_embed)
    return model


def reference_fold(tokens, shapes):
    """Pixel by pixel."""
    maps, at = [], 0
    for h, w in shapes:
        level = torch.empty(tokens.size(0), tokens.size(2), h, w)
        for y in range(h):
            for x in range(w):
                level[:, :, y, x] = tokens[:, at]
                at += 1
        maps.append(level)
    return maps


def test_folding_puts_every_token_in_its_place():
    tokens = torch.randn(2, 18, 5)
    for level, expected in zip(
        fold_tokens(tokens, torch.tensor(SHAPES)),
        reference_fold(tokens, SHAPES),
        strict=True,
    ):
        assert_close(level, expected, rtol=0, atol=0)


def test_unfolding_is_the_inverse():
    tokens = torch.randn(2, 18, 5)
    assert_close(unfold_maps(fold_tokens(tokens, SHAPES)), tokens)


def test_shapes_have_to_add_up():
    with pytest.raises(UsageError, match='18 pixels, but there are 17'):
        fold_tokens(torch.randn(2, 17, 5), SHAPES)


def of_encoder(cfg, t_levels=None):
    """A distiller on the encoders of both sides."""
    for who in ('student', 'teacher'):
        cfg[f'{who}_recorders'] = dict(
            feature=dict(type='mmfreekd.TokenMaps', source='encoder')
        )
    if t_levels:
        cfg.loss_forward_mappings.loss_freekd.t_feature.data_idx = t_levels
    return cfg


def distillation(teacher, student, **changes):
    return MODELS.build(
        dict(
            type='mmfreekd.FreeKDDistill',
            architecture=student,
            teacher=teacher,
            distiller=of_encoder(
                distiller(256, 256, num_levels=4, num_prompts=0), **changes
            ),
        )
    )


def test_the_record_is_the_memory_of_the_encoder(dino):
    model = distillation(dino, copy.deepcopy(dino))
    memory = []
    model.student.encoder.register_forward_hook(
        lambda module, args, output: memory.append(output)
    )
    losses_of(model, det_batch(SIZE))
    maps = model.distiller.get_record('feature', from_student=True)
    assert [tuple(m.shape[-2:]) for m in maps] == [
        (16, 16),
        (8, 8),
        (4, 4),
        (2, 2),
    ]
    assert_close(unfold_maps(maps), memory[0], rtol=0, atol=0)


def test_a_student_equal_to_its_teacher_has_no_distance(dino):
    model = distillation(dino, copy.deepcopy(dino))
    align = model.distiller.connectors['align'].projections
    for projection in align:
        torch.nn.init.dirac_(projection.weight)
        torch.nn.init.zeros_(projection.bias)
    losses = losses_of(model, det_batch(SIZE))
    assert losses['distill.loss_freekd'] < 1e-5


def test_the_short_form_compares_the_four_of_five_scales():
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    teacher = build_model(tiny_dino(scales=5), 'teacher')
    cfg = distiller(256, 256, num_levels=4, num_prompts=0)
    written_out = of_encoder(cfg, t_levels=[1, 2, 3, 4])
    del written_out['connectors']
    del cfg.loss_forward_mappings.loss_freekd.s_feature['connector']
    short = dict(
        type='mmfreekd.FreeKDDistiller',
        source='encoder',
        preset=dict(name='paper', num_prompts=0),
    )
    student = build_model(tiny_dino(stages=(1, 2, 3)), 'architecture')
    for model in (teacher, student):
        torch.nn.init.normal_(model.level_embed)
    found, batch = [], det_batch(SIZE)
    for distills in (short, written_out):
        model = MODELS.build(
            dict(
                type='mmfreekd.FreeKDDistill',
                architecture=copy.deepcopy(student),
                teacher=copy.deepcopy(teacher),
                distiller=distills,
            )
        )
        loss = losses_of(model.train(), batch)['distill.loss_freekd']
        weight = model.neck.convs[0].conv.weight
        found.append((loss, torch.autograd.grad(loss, weight)))
    assert_close(*found, rtol=0, atol=0)
    assert found[0][0] > 0 and found[0][1][0].any()


@pytest.mark.parametrize('data_idx', [[4], [0, 7], -5, 4])
def test_scales_that_do_not_exist_are_refused(dino, data_idx):
    model = distillation(dino, copy.deepcopy(dino))
    losses_of(model, det_batch(SIZE))
    with pytest.raises(UsageError, match='holds 4 output'):
        model.distiller.get_record(
            'feature', from_student=True, data_idx=data_idx
        )


def test_a_layer_without_tokens_cannot_be_recorded_as_such(dino):
    model = distillation(dino, copy.deepcopy(dino))
    recorders = model.distiller.student_recorders.recorders
    recorders['feature']._source = 'neck'
    recorders['feature'].prepare_from_model(model.student)
    with pytest.raises(UsageError, match="'neck' puts out no tokens"):
        losses_of(model, det_batch(SIZE))


def tuning(teacher, **changes):
    model = dict(
        type='mmfreekd.FrequencyPromptTuning',
        architecture=teacher,
        source='encoder',
        channels=256,
        num_levels=4,
    )
    return MODELS.build({**model, **changes})


def encoded(model, batch):
    """What the encoder hands on, prompted where prompts are."""
    memory = []
    teacher = getattr(model, 'teacher', model)
    handle = teacher.encoder.register_forward_hook(
        lambda module, args, output: memory.append(output)
    )
    losses_of(model, batch)
    handle.remove()
    return memory[0]


def test_prompts_on_tokens_reach_the_losses_and_train(dino):
    before = snapshot(dino)
    model = tuning(dino)
    losses = losses_of(model.train(), det_batch(SIZE))
    total(losses).backward()
    for key, parameter in model.named_parameters():
        assert (parameter.grad is not None) == key.startswith('prompts'), key
    assert_close(snapshot(dino), before, rtol=0, atol=0)


@pytest.mark.parametrize('source', ['encoder', 'neck'])
def test_scales_that_are_not_chosen_pass_as_they_are(dino, source):
    batch = det_batch(((64, 64), (64, 64)))
    plain = fold_tokens(
        encoded(dino, batch), [(16, 16), (8, 8), (4, 4), (2, 2)]
    )
    model = tuning(dino, data_idx=[1, 3], num_levels=2, source=source)
    for prompt in model.prompts:
        torch.nn.init.normal_(prompt.prompts, std=10)
    maps = []
    getattr(model.teacher, source).register_forward_hook(
        lambda module, args, output: maps.append(output)
    )
    losses_of(model, batch)
    prompted = maps[0]
    if source == 'encoder':
        prompted = fold_tokens(prompted, [(16, 16), (8, 8), (4, 4), (2, 2)])
        assert_close(prompted[0], plain[0])
        assert_close(prompted[2], plain[2])
        assert (prompted[1] - plain[1]).abs().max() > 0.01
        assert (prompted[3] - plain[3]).abs().max() > 0.01
    assert len(prompted) == 4 and len(model._masks) == 2


def test_a_level_that_is_not_there_cannot_be_prompted(dino):
    model = tuning(dino, data_idx=[3, 4], num_levels=2)
    with pytest.raises(UsageError, match='there are 4 pyramid level'):
        losses_of(model, det_batch(SIZE))


@pytest.mark.parametrize('path', NORMALISED, ids=lambda path: path.stem)
def test_no_first_step_of_stage_1_shuts_the_masks(path):
    """Tokens of unit size, alike over the image: the low band is 8 times."""
    cfg = Config.fromfile(path)
    cfg.work_dir = 'work_dirs/pair'
    cfg = tuning_config(cfg, set_prompt_ckpt(cfg))
    optimizer = cfg.optim_wrapper.optimizer
    tokens = torch.nn.functional.layer_norm(torch.randn(1, 1, 256), [256])
    (feature,) = fold_tokens(tokens.expand(1, 64, 256), [(8, 8)])
    prompt = FrequencyPrompt(256, num_prompts=32)  # for a mean, not for luck
    adam = getattr(torch.optim, optimizer.pop('type'))
    adam = adam(prompt.parameters(), **optimizer)
    torch.stack(
        [mask.mean() for mask in prompt.masks(feature)]
    ).sum().backward()
    adam.step()
    # 0.17 to 0.29 at a learning rate of 0.001, up to 0.03 at 0.003
    assert min(mask.mean() for mask in prompt.masks(feature)) > 0.1
