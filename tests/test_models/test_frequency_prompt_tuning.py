import copy

import pytest
import tiny_models
import torch
from references import masks_of, overlap_of
from tiny_models import losses_of, snapshot, train
from torch.testing import assert_close

from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.errors import CheckpointError, UsageError
from mmfreekd.frequency import mask_overlap
from mmfreekd.models.zoo import build_model


def raw_outputs(model, batch):
    """What the heads make of a batch, before any post-processing."""
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    with torch.no_grad():
        return model(**data, mode='tensor')


def flat(outputs):
    """A tensor, or lists of them in any depth, as one vector."""
    if isinstance(outputs, torch.Tensor):
        return outputs.flatten()
    return torch.cat([flat(part) for part in outputs])


def test_changes_prompts_and_nothing_else(pair, build_tuning):
    model = build_tuning(pair)
    model.init_weights()
    before, prompts = snapshot(model.teacher), snapshot(model.prompts)
    train(model, pair.batch)
    assert_close(snapshot(model.teacher), before, rtol=0, atol=0)
    for name, value in snapshot(model.prompts).items():
        assert not torch.equal(value, prompts[name]), name


def test_trains_prompts_and_nothing_else(pair, build_tuning):
    model = build_tuning(pair)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    levels = pair.num_levels or 1
    assert trained == {f'prompts.{i}.prompts' for i in range(levels)}


def test_holds_the_teachers_weights_after_init_weights(pair, build_tuning):
    model = build_tuning(pair)
    model.init_weights()
    saved = torch.load(pair.teacher_ckpt)['state_dict']
    assert_close(dict(model.teacher.state_dict()), dict(saved), rtol=0, atol=0)


def test_a_built_teacher_keeps_its_weights(pair, build_tuning):
    teacher = build_model(copy.deepcopy(pair.teacher), 'teacher')
    before = snapshot(teacher)
    model = build_tuning(pair, architecture=teacher, teacher_ckpt=None)
    model.init_weights()
    assert_close(snapshot(model.teacher), before, rtol=0, atol=0)


def test_checkpoints_hold_only_prompts(pair, build_tuning):
    model = build_tuning(pair)
    levels = pair.num_levels or 1
    assert list(model.state_dict()) == [
        f'prompts.{i}.prompts' for i in range(levels)
    ]


def test_checkpoints_load_strictly(pair, build_tuning):
    model, other = build_tuning(pair), build_tuning(pair)
    other.load_state_dict(model.state_dict(), strict=True)
    assert_close(snapshot(other.prompts), snapshot(model.prompts))


def test_a_checkpoint_without_its_prompts_is_refused(det_pair, build_tuning):
    weights = build_tuning(det_pair).state_dict()
    del weights['prompts.1.prompts']
    with pytest.raises(RuntimeError, match='Missing.*"prompts.1.prompts"'):
        build_tuning(det_pair).load_state_dict(weights, strict=True)


def test_starts_as_the_teacher(pair, build_tuning):
    model = build_tuning(pair).eval()
    teacher = build_model(copy.deepcopy(pair.teacher), 'teacher').eval()
    teacher.load_state_dict(torch.load(pair.teacher_ckpt)['state_dict'])
    expected = flat(raw_outputs(teacher, pair.batch))
    # but for the small numbers that its prompts start from
    outputs = flat(raw_outputs(model, pair.batch))
    assert (outputs - expected).norm() < 0.05 * expected.norm()
    with torch.no_grad():
        for prompt in model.prompts:
            prompt.prompts.zero_()
    assert_close(
        flat(raw_outputs(model, pair.batch)), expected, rtol=1e-3, atol=1e-3
    )


def test_the_head_runs_on_what_the_prompts_let_through(pair, build_tuning):
    model = build_tuning(pair).eval()
    expected = raw_outputs(model, pair.batch)
    torch.nn.init.normal_(model.prompts[-1].prompts, std=3.0)
    with pytest.raises(AssertionError, match='not close'):
        assert_close(raw_outputs(model, pair.batch), expected)


def test_logs_the_task_loss_the_dissimilarity_and_the_overlap(
    pair, build_tuning
):
    model = build_tuning(pair).train()
    teacher = losses_of(
        build_model(copy.deepcopy(pair.teacher), 'teacher'), pair.batch
    )
    losses = losses_of(model, pair.batch)
    assert losses.keys() == {*teacher, 'loss_dissimilarity', 'mask_overlap'}
    assert losses['loss_dissimilarity'].requires_grad
    assert not losses['mask_overlap'].requires_grad
    assert 'loss' not in 'mask_overlap'


def test_losses_are_those_of_the_masks(seg_pair, build_tuning):
    model = build_tuning(
        seg_pair,
        loss_dissimilarity=dict(
            type='mmfreekd.PromptDissimilarityLoss',
            kind='dice',
            loss_weight=0.3,
        ),
    )
    feature = []
    # recorded before the prompts replace it
    model.teacher.backbone.layer4.register_forward_hook(
        lambda module, inputs, output: feature.append(output), prepend=True
    )
    losses = losses_of(model.train(), seg_pair.batch)
    masks = model.prompts[0].masks(feature[0])
    assert_close(
        losses['loss_dissimilarity'], 0.3 * mask_overlap(masks, 'dice')
    )
    assert_close(losses['mask_overlap'], mask_overlap(masks).detach())


def test_training_mode_is_evaluation_for_every_layer(pair, build_tuning):
    model = build_tuning(pair).train()
    first, second = (losses_of(model, pair.batch) for _ in range(2))
    assert_close(first, second, rtol=0, atol=0)
    for name, module in model.teacher.named_modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.Dropout2d)):
            assert not module.training, name
    assert model.prompts.training


def test_detections_are_made_with_the_prompts(det_pair, build_tuning):
    model = build_tuning(det_pair).eval()
    data = model.data_preprocessor(copy.deepcopy(det_pair.batch))
    with torch.no_grad():
        results = model(**data, mode='predict')
    assert all(len(result.pred_instances) <= 5 for result in results)
    assert len(results) == 2


@pytest.mark.parametrize(
    'prompt',
    [
        dict(num_prompts=1),
        dict(num_prompts=6, band_layout='level'),
        dict(levels=1, wavelet='db2'),
    ],
)
def test_switches_of_the_prompts(seg_pair, build_tuning, prompt):
    model = build_tuning(seg_pair, prompt=prompt)
    before = snapshot(model.prompts)
    train(model, seg_pair.batch, steps=1)
    for name, value in snapshot(model.prompts).items():
        assert value.isfinite().all()
        assert not torch.equal(value, before[name]), name


def test_trains_under_autocast(pair, build_tuning):
    model = build_tuning(pair).train()
    with torch.autocast('cpu', torch.bfloat16):
        losses = losses_of(model, pair.batch)
    assert losses['loss_dissimilarity'].dtype == torch.float32
    tiny_models.total(losses).backward()
    for prompt in model.prompts:
        assert prompt.prompts.grad.isfinite().all()


def test_refuses_a_teacher_with_random_weights(det_pair, build_tuning):
    model = build_tuning(det_pair, teacher_ckpt=None)
    with pytest.raises(
        UsageError, match='random weights. Set model.teacher_ckpt'
    ):
        model.init_weights()


def test_refuses_a_checkpoint_of_another_teacher(
    det_pair, seg_pair, build_tuning
):
    with pytest.raises(
        CheckpointError,
        match='teacher_ckpt: .* not a checkpoint of this RetinaNet',
    ):
        build_tuning(det_pair, teacher_ckpt=seg_pair.teacher_ckpt)


def test_refuses_a_source_that_does_not_exist(det_pair, build_tuning):
    with pytest.raises(
        UsageError,
        match=r'the teacher \(RetinaNet\) has no '
        "layer 'necks'.*neck",
    ):
        build_tuning(det_pair, source='necks')


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            dict(channels=8),
            "level 0 of 'neck' has 12 channels, expected 8: set channels",
        ),
        (dict(num_levels=2), r"at 'neck' expects 2 pyramid level\(s\), got 3"),
    ],
)
def test_refuses_a_feature_of_another_shape(
    det_pair, build_tuning, changes, message
):
    model = build_tuning(det_pair, **changes).train()
    with pytest.raises(UsageError, match=message):
        losses_of(model, det_pair.batch)


def test_finds_channels_and_levels_by_itself(pair, build_tuning):
    given = build_tuning(pair)
    found = build_tuning(pair, channels=None, num_levels=None)
    found.load_state_dict(given.state_dict(), strict=True)
    assert_close(
        losses_of(found.train(), pair.batch),
        losses_of(given.train(), pair.batch),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize(
    'data_idx, chosen', [(1, [1]), (-1, [2]), ([-3, 2], [0, 2])]
)
@pytest.mark.parametrize('given', [True, False])
def test_chosen_levels_are_prompted_and_others_pass(
    det_pair, build_tuning, data_idx, chosen, given
):
    model = build_tuning(
        det_pair,
        data_idx=data_idx,
        channels=12 if given else None,
        num_levels=len(chosen) if given else None,
    ).train()
    seen, neck = [], model.teacher.neck
    neck.register_forward_hook(lambda *a: seen.append(a[2]), prepend=True)
    neck.register_forward_hook(lambda *a: seen.append(a[2]))
    losses_of(model, det_pair.batch)
    before, after = seen
    assert len(model.prompts) == len(chosen)
    for i, (x, y) in enumerate(zip(before, after, strict=True)):
        expected = x
        if i in chosen:
            expected = model.prompts[chosen.index(i)](x)
        assert_close(y, expected)


@pytest.mark.parametrize('data_idx', [3, -4, [0, 3]])
def test_refuses_levels_that_are_not_there(det_pair, build_tuning, data_idx):
    with pytest.raises(UsageError, match='chooses .* does not have: .* are 3'):
        build_tuning(
            det_pair, channels=None, num_levels=None, data_idx=data_idx
        )


def test_without_the_task_loss_the_head_never_runs(pair, build_tuning):
    model = build_tuning(pair, task_loss=False).train()
    head = getattr(model, 'bbox_head', None) or model.decode_head
    head.forward = head.loss = None
    losses, levels = features_of(model, pair)
    errors = [
        (prompt(x) - x).square().sum() / x.square().sum()
        for prompt, x in zip(model.prompts, levels, strict=True)
    ]
    assert_close(losses['loss_reconstruction'], torch.stack(errors).mean())
    assert losses.keys() == {
        'loss_reconstruction',
        'loss_dissimilarity',
        'mask_overlap',
    }


def features_of(model, pair):
    """What the prompts get to see."""
    seen = []
    model.teacher.get_submodule(pair.source).register_forward_hook(
        lambda module, inputs, output: seen.append(output), prepend=True
    )
    losses = losses_of(model.train(), pair.batch)
    levels = seen[0] if isinstance(seen[0], tuple) else seen
    return losses, levels


@pytest.mark.parametrize(
    'preset, num_prompts, band_layout, kind, diagonal',
    [
        ('paper', 2, 'subband', 'jaccard', True),
        ('official', 6, 'level', 'dice', False),
        ('plus', 2, 'subband', 'jaccard', True),
        ('recommended', 2, 'subband', 'jaccard', True),
    ],
)
def test_a_preset_sets_prompts_and_dissimilarity(
    pair, build_tuning, preset, num_prompts, band_layout, kind, diagonal
):
    model = build_tuning(pair, preset=preset)
    bands = 10 if band_layout == 'subband' else 4
    for prompt in model.prompts:
        assert prompt.prompts.shape == (bands, num_prompts, pair.channels)
        # neither alike nor shut: masks below 1e-6 count as no overlap
        torch.nn.init.normal_(prompt.prompts, std=0.1)
    losses, levels = features_of(model, pair)
    overlaps = []
    for prompt, x in zip(model.prompts, levels, strict=True):
        masks = masks_of(x.detach(), prompt.prompts, 3, band_layout)
        overlaps.append(overlap_of(masks, kind, diagonal))
    assert_close(losses['loss_dissimilarity'], torch.stack(overlaps).mean())


def test_paper_is_what_goes_without_saying(seg_pair, build_tuning):
    unsaid, said = (
        build_tuning(seg_pair, **preset)
        for preset in (dict(), dict(preset='paper'))
    )
    unsaid.load_state_dict(said.state_dict())
    first, second = (
        losses_of(m.train(), seg_pair.batch) for m in (unsaid, said)
    )
    assert_close(first, second, rtol=0, atol=0)


def test_what_is_said_goes_before_the_preset(seg_pair, build_tuning):
    model = build_tuning(
        seg_pair,
        preset='official',
        prompt=dict(num_prompts=3),
        loss_dissimilarity=dict(
            type='mmfreekd.PromptDissimilarityLoss', kind='jaccard'
        ),
    )
    (prompt,) = model.prompts
    assert prompt.prompts.shape == (4, 3, seg_pair.channels)
    assert prompt.band_layout == 'level'
    assert model.loss_dissimilarity.kind == 'jaccard'


def test_refuses_a_preset_that_it_does_not_know(seg_pair, build_tuning):
    with pytest.raises(
        UsageError, match="'paper', 'official', 'plus'.*got 'FreeKD'"
    ):
        build_tuning(seg_pair, preset='FreeKD')
