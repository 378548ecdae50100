import copy
import itertools

import pytest
import tiny_models
import torch
from mmengine.runner import Runner
from tiny_models import snapshot
from torch.testing import assert_close

from mmfreekd.errors import CheckpointError, UsageError
from mmfreekd.models import inheritance
from mmfreekd.models.zoo import build_model

NUMBERS = itertools.count()
WEIGHT = 'lateral_convs.0.conv.weight'


@pytest.fixture
def said(monkeypatch):
    """What is logged of an inheritance."""
    said = []
    monkeypatch.setattr(
        inheritance, 'print_log', lambda text, **kwargs: said.append(text)
    )
    return said


@pytest.fixture
def sisters():
    """Two detectors of one kind, their weights, buffers too, unlike."""
    cfg = tiny_models.retinanet()
    cfg.neck.norm_cfg = dict(type='BN')
    models = [build_model(copy.deepcopy(cfg), 'teacher') for _ in range(2)]
    for tensor in models[1].state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(1, 2)
    return models


def exact(ours, theirs):
    assert_close(snapshot(ours), snapshot(theirs), rtol=0, atol=0)


def test_parts_become_equal_bit_by_bit_and_nothing_else(sisters, said):
    student, teacher = sisters
    before = {n: snapshot(m) for n, m in student.named_children()}
    given = snapshot(teacher)
    inheritance.inherit(student, teacher, ['neck', 'bbox_head'])
    exact(student.neck, teacher.neck)
    exact(student.bbox_head, teacher.bbox_head)
    assert not torch.equal(
        student.neck.get_parameter(WEIGHT), before['neck'][WEIGHT]
    )
    assert_close(
        snapshot(student.backbone), before['backbone'], rtol=0, atol=0
    )
    assert_close(snapshot(teacher), given, rtol=0, atol=0)
    total = len(student.neck.state_dict())
    assert said[0] == (
        f"inherit: {total} of {total} tensors of 'neck' come from the teacher"
    )


def test_they_share_no_memory(sisters):
    student, teacher = sisters
    inheritance.inherit(student, teacher, ['neck'])
    given = snapshot(teacher)
    with torch.no_grad():
        student.neck.get_parameter(WEIGHT).zero_()
    assert_close(snapshot(teacher), given, rtol=0, atol=0)


def test_reports_what_does_not_fit(sisters, said):
    _, teacher = sisters
    cfg = tiny_models.retinanet()
    cfg.bbox_head.update(num_classes=3, stacked_convs=2)
    student = build_model(cfg, 'architecture')
    before = snapshot(student.bbox_head)
    inheritance.inherit(student, teacher, ['bbox_head'])
    (report,) = said
    assert "6 of 12 tensors of 'bbox_head'" in report
    none, reshaped = report.split('with another shape (2)')
    assert 'not in the teacher (4)' in none
    assert 'bbox_head.cls_convs.1.conv.weight' in none
    assert (
        'bbox_head.retina_cls.weight is (3, 8, 3, 3), expected (2, 8, 3, 3), '
        'as in the teacher' in reshaped
    )
    head, given = student.bbox_head, teacher.bbox_head
    exact(head.retina_reg, given.retina_reg)
    exact(head.cls_convs[0], given.cls_convs[0])
    for name in ('retina_cls.weight', 'cls_convs.1.conv.weight'):
        assert torch.equal(head.get_parameter(name), before[name])


@pytest.mark.parametrize(
    'part, message',
    [
        ('nek', r"the student \(RetinaNet\) has no layer 'nek'.*neck"),
        (
            'neck',
            r"(?s)inherit: 0 of 12 tensors of 'neck'.*another shape \(12\)"
            ".*Take 'neck' out of model.inherit",
        ),
    ],
)
def test_refuses_a_part_of_which_nothing_fits(det_pair, part, message):
    student = build_model(copy.deepcopy(det_pair.student), 'architecture')
    teacher = build_model(copy.deepcopy(det_pair.teacher), 'teacher')
    with pytest.raises(UsageError, match=message):
        inheritance.inherit(student, teacher, [part])


def run(tmp_path, model, batch, **kwargs):
    """One iteration under mmengine's Runner that changes nothing."""
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        experiment_name=f'inheritance{next(NUMBERS)}',
        train_dataloader=dict(
            batch_size=2,
            dataset=[
                dict(inputs=image, data_samples=sample)
                for image, sample in zip(
                    batch['inputs'], batch['data_samples']
                )
            ],
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=False, max_iters=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)
        ),
        custom_hooks=[dict(type='mmfreekd.PlainCheckpointHook')],
        log_level='ERROR',
        **kwargs,
    )
    runner.train()


@pytest.fixture
def build(det_pair, build_distill):
    """Builds a distillation of sisters whose student inherits."""

    def build(inherit):
        student = copy.deepcopy(det_pair.teacher)
        cfg = tiny_models.distiller(12, 12, 'neck', 3, num_prompts=0)
        return build_distill(
            det_pair, architecture=student, distiller=cfg, inherit=inherit
        )

    return build


def test_holds_when_a_runner_trains(tmp_path, build, det_pair):
    model = build(['neck', 'bbox_head'])
    run(tmp_path, model, det_pair.batch)
    exact(model.student.neck, model.teacher.neck)
    exact(model.student.bbox_head, model.teacher.bbox_head)
    weight = 'conv1.weight'
    assert not torch.equal(
        model.student.backbone.get_parameter(weight),
        model.teacher.backbone.get_parameter(weight),
    )


def test_without_it_the_student_starts_on_its_own(tmp_path, build, det_pair):
    model = build(None)
    run(tmp_path, model, det_pair.batch)
    weight = model.student.neck.get_parameter(WEIGHT)
    assert not torch.equal(weight, model.teacher.neck.get_parameter(WEIGHT))


@pytest.mark.parametrize('resume', [True, False])
def test_a_checkpoint_wins_over_it(tmp_path, build, det_pair, resume):
    first, model = build(None), build(['neck'])
    run(tmp_path, first, det_pair.batch)
    run(
        tmp_path / 'again',
        model,
        det_pair.batch,
        load_from=str(tmp_path / 'iter_1.pth'),
        resume=resume,
    )
    exact(model.student.neck, first.student.neck)
    weight = model.student.neck.get_parameter(WEIGHT)
    assert not torch.equal(weight, model.teacher.neck.get_parameter(WEIGHT))


def test_a_student_starts_from_a_plain_checkpoint(sisters, said, tmp_path):
    student, given = sisters
    weights = given.state_dict()
    del weights['neck.lateral_convs.0.conv.weight']
    weights['bbox_head.retina_cls.weight'] = torch.ones(1)
    weights['mask_head.weight'] = torch.ones(1)
    path = str(tmp_path / 'student.pth')
    torch.save(dict(state_dict=weights), path)
    before = copy.deepcopy(student.state_dict())
    inheritance.start_from(student, path)
    after, total = student.state_dict(), len(before)
    kept = [n for n in after if torch.equal(after[n], before[n])]
    counters = [n for n in kept if n.endswith('num_batches_tracked')]
    assert {*kept} - {*counters} == {
        'neck.lateral_convs.0.conv.weight',
        'bbox_head.retina_cls.weight',
    }
    for name in {*after} - {*kept}:
        assert torch.equal(after[name], weights[name])
    (report,) = said
    assert f'{total - 2} of {total} tensors of the student' in report
    assert (
        'bbox_head.retina_cls.weight is (2, 8, 3, 3), expected (1,), as in'
        in report.split('with another shape (1)')[1]
    )
    assert 'mask_head.weight' in report.split('not in the student')[1]


@pytest.mark.parametrize(
    'weights, message',
    [
        ({'a.weight': torch.ones(1)}, r'keys match .*a\.weight'),
        ({'architecture.neck.x': torch.ones(1)}, r'use the student_\*.pth'),
        (
            {'bbox_head.retina_reg.bias': torch.full((4,), torch.nan)},
            'retina_reg.bias is not finite',
        ),
    ],
)
def test_refuses_what_no_student_can_start_from(
    sisters, tmp_path, weights, message
):
    path = str(tmp_path / 'student.pth')
    torch.save(weights, path)
    before = snapshot(sisters[0])
    with pytest.raises(CheckpointError, match=f'(?s)student.pth.*{message}'):
        inheritance.start_from(sisters[0], path)
    assert_close(snapshot(sisters[0]), before, rtol=0, atol=0, equal_nan=True)


def test_a_part_that_is_inherited_wins_over_it(
    tmp_path, det_pair, build_distill
):
    given = build_model(copy.deepcopy(det_pair.teacher), 'teacher')
    path = str(tmp_path / 'student.pth')
    torch.save(given.state_dict(), path)
    model = build_distill(
        det_pair,
        architecture=copy.deepcopy(det_pair.teacher),
        distiller=tiny_models.distiller(12, 12, 'neck', 3, num_prompts=0),
        student_ckpt=path,
        inherit=['neck'],
    )
    run(tmp_path, model, det_pair.batch)
    exact(model.student.backbone.conv1, given.backbone.conv1)
    exact(model.student.bbox_head, given.bbox_head)
    exact(model.student.neck, model.teacher.neck)
