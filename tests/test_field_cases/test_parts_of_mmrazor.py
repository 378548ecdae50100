"""MMRazor's parts where they are wrong: ours in their place, or a sentence."""

import copy

import pytest
import tiny_models
import torch
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from tiny_models import losses_of, with_loss

from mmfreekd.engine.loops import evaluate_teacher
from mmfreekd.errors import UsageError
from mmfreekd.models.losses.foreign import guarded


def logits(classes, channels):
    model = tiny_models.retinanet(channels, channels)
    model.bbox_head.num_classes = classes
    return model


@pytest.mark.parametrize('kind', ['mmrazor.L1Loss', 'mmdet.L1Loss'])
@pytest.mark.parametrize('student, teacher', [(1, 6), (6, 1), (2, 6), (2, 2)])
def test_logits_of_other_classes(distill, kind, student, teacher):
    cfg = tiny_models.distiller(4, 8, num_levels=3, num_prompts=0)
    cfg = with_loss(cfg, 'loss_l1', dict(type=kind), 'bbox_head.retina_cls')
    if kind == 'mmdet.L1Loss':  # three arguments, of which two are compared
        record = cfg.loss_forward_mappings.loss_l1
        cfg.loss_forward_mappings.loss_l1 = dict(
            pred=record.s_feature,
            target=record.t_feature,
            weight=record.s_feature,
        )
    del cfg['type']
    model = distill(logits(student, 4), logits(teacher, 8), cfg).train()
    if student == teacher:
        loss = losses_of(model, tiny_models.det_batch())['distill.loss_l1']
        assert loss.isfinite()
        return
    with pytest.raises(UsageError, match=r'loss_l1 \(L1Loss\) cannot compare'):
        losses_of(model, tiny_models.det_batch())


def fails(*features):
    raise AttributeError("'tuple' object has no attribute 'shape'")


@pytest.mark.parametrize(
    'first, second, call',
    [
        ((2, 1, 4), (2, 6, 4), torch.sub),
        ((2, 6, 4), (6, 4), torch.sub),
        ([(2, 1), (2, 3)], [(2, 1), (1, 3)], None),
        ((2, 3), [(2, 3)], fails),
        ((2, 3, 8, 8), (2, 3, 4, 4), torch.sub),
    ],
)
def test_shapes_that_cannot_be_compared(first, second, call):
    def make(shape):
        if isinstance(shape, list):
            return [make(part) for part in shape]
        return torch.ones(shape)

    first, second = make(first), make(second)
    with pytest.raises(UsageError, match='loss_x cannot compare shapes'):
        guarded(lambda: call(first, second), first, second, 'loss_x')


def test_an_error_of_the_loss_itself_keeps_its_traceback():
    x = torch.ones(2, 3)
    with pytest.raises(AttributeError):
        guarded(lambda: fails(), x, x, 'loss_x')


class Boxes(BaseMetric):
    """The mean of the boxes; nothing in the first evaluation, if empty."""

    empty = False

    def process(self, data_batch, data_samples):
        self.results += [
            float(sample['pred_instances']['bboxes'].mean())
            for sample in data_samples
        ]

    def compute_metrics(self, results):
        if self.empty:
            self.empty = False
            return {}
        return dict(boxes=sum(results))


@pytest.fixture
def validated(cfg):
    """The runner of a distillation whose models normalise differently."""
    if cfg.default_scope == 'mmseg':
        pytest.skip('one task is enough')
    cfg.model.architecture.data_preprocessor.mean = [0, 0, 0]
    cfg.model.architecture.data_preprocessor.std = [255, 255, 255]
    cfg.val_cfg = dict(type='mmfreekd.SingleTeacherDistillValLoop')
    runner = Runner.from_cfg(cfg)
    runner.val_evaluator.metrics = [Boxes()]
    runner._hooks = []
    return runner


def test_the_teacher_is_validated_with_its_own_normalisation(validated):
    model = validated.model
    own = model.teacher.data_preprocessor
    metrics = [validated.val_loop.run() for _ in range(2)]
    assert model.teacher.data_preprocessor is own
    assert own is not model.student.data_preprocessor
    assert metrics[0] == metrics[1]
    assert metrics[0].keys() == {'boxes', 'teacher.boxes'}
    alone = evaluate_teacher(validated)
    assert metrics[0]['teacher.boxes'] == alone['boxes']
    model.teacher.data_preprocessor = copy.deepcopy(
        model.student.data_preprocessor
    )
    assert evaluate_teacher(validated)['boxes'] != alone['boxes']


def test_save_best_never_goes_by_the_teacher(validated):
    """A student without any metric would leave it the teacher's."""
    (metric,) = validated.val_evaluator.metrics
    metric.empty = True
    assert validated.val_loop.run() == {}
    assert [*validated.val_loop.run()] == ['boxes', 'teacher.boxes']


def test_images_normalised_by_the_teacher_are_those_of_the_teacher(distill):
    """Batches that are a dict, as MMYOLO collates them."""
    teacher = tiny_models.retinanet(8, 12, mean=[0] * 3, std=[255] * 3)
    model = distill(teacher=teacher)
    metas = [dict(img_shape=(50, 60))] * 2
    batch = torch.randn(2, 3, 64, 64)
    labels = dict(bboxes_labels=torch.zeros(1, 6), img_metas=metas)
    out = model.teacher_normalization(batch, labels)
    assert out[:, :, 50:].eq(0).all() and out[..., 60:].eq(0).all()
    assert out[..., :50, :60].ne(0).any()
