"""A number that is not finite is traced, and stops or skips the step."""

import copy
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from tiny_models import snapshot
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.models.finite import PATIENCE


def step(model, batch, optim_wrapper=None):
    if optim_wrapper is None:
        parameters = [p for p in model.parameters() if p.requires_grad]
        optim_wrapper = OptimWrapper(
            torch.optim.Adam(parameters, 0.01, weight_decay=0.1)
        )
    model.train()
    return model.train_step(copy.deepcopy(batch), optim_wrapper)


def poison(module, level, value):
    """Put one value into one pyramid level of what a layer returns."""

    def hook(module, inputs, outputs):
        changed = [x.clone() for x in outputs]
        changed[level][0, 1, -1, -1] = value
        return tuple(changed)

    return module.register_forward_hook(hook, prepend=True)


@pytest.mark.parametrize('who', ['teacher', 'student'])
@pytest.mark.parametrize('value', [math.nan, math.inf])
@pytest.mark.parametrize('level', [0, 2])
def test_a_feature_is_named(det_pair, build_distill, who, value, level):
    model = build_distill(det_pair)
    poison(getattr(model, who).neck, level, value)
    with pytest.raises(
        FloatingPointError,
        match=f"iteration 1: not finite in the {who}'s feature 'feature', "
        rf'pyramid level {level} \(1 of',
    ):
        step(model, det_pair.batch)


def test_a_connector_is_named(det_pair, build_distill):
    model = build_distill(det_pair)
    projection = model.distiller.connectors.align.projections[1]
    torch.nn.init.constant_(projection.bias, math.nan)
    with pytest.raises(
        FloatingPointError, match="after connector 'align', pyramid level 1"
    ):
        step(model, det_pair.batch)


def test_a_band_is_named(det_pair, build_distill):
    model = build_distill(det_pair)
    # finite, but the sum over eight pixels of one sign is not
    hook = model.teacher.neck.register_forward_hook
    hook(
        lambda module, inputs, out: (torch.full_like(out[0], 2e38), *out[1:]),
        prepend=True,
    )
    with pytest.raises(
        FloatingPointError, match='loss_freekd, pyramid level 0, band low'
    ):
        step(model, det_pair.batch)


def test_a_loss_of_the_student_is_named(det_pair, build_distill):
    model = build_distill(det_pair)
    torch.nn.init.constant_(model.student.bbox_head.retina_cls.bias, math.nan)
    with pytest.raises(
        FloatingPointError, match='in the loss student.loss_cls'
    ):
        step(model, det_pair.batch)


class ScaledWrapper(OptimWrapper):
    """As AmpOptimWrapper, which works on a GPU alone."""

    def __init__(self, optimizer, enabled, **kwargs):
        super().__init__(optimizer, **kwargs)
        self.scaler = torch.amp.GradScaler('cpu', enabled=enabled)

    def backward(self, loss, **kwargs):
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs):
        self.scaler.step(self.optimizer)
        self.scaler.update()


@pytest.fixture(params=['plain', 'scaler', 'scaler off', 'processes'])
def skipping(request, pair, build_distill, monkeypatch):
    """Builds a distillation and its optimiser, in each way to skip a step."""

    def build(**kwargs):
        model = build_distill(pair, on_nonfinite='skip')
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, 0.01, weight_decay=0.1)
        if request.param in ('plain', 'processes'):
            return model, OptimWrapper(optimizer, **kwargs)
        enabled = request.param == 'scaler'
        return model, ScaledWrapper(optimizer, enabled, **kwargs)

    world_size = 1 if request.param == 'plain' else 2
    monkeypatch.setattr(
        'mmfreekd.models.finite.get_world_size', lambda: world_size
    )
    return build


def spoil_image(model):
    """Put nan into the images of the student alone, before any layer."""
    return model.student.backbone.register_forward_pre_hook(
        lambda module, inputs: inputs[0] * math.nan
    )


def test_a_skipped_step_leaves_no_trace(pair, skipping, monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmfreekd.models.finite.print_log',
        lambda text, **kwargs: said.append(text),
    )
    model, wrapper = skipping()
    step(model, pair.batch, wrapper)
    before = snapshot(model)
    state = copy.deepcopy(wrapper.optimizer.state_dict())
    hook = spoil_image(model)
    for _ in range(3):
        step(model, pair.batch, wrapper)
    assert_close(snapshot(model), before, rtol=0, atol=0)
    assert_close(wrapper.optimizer.state_dict()['state'], state['state'])
    hook.remove()
    step(model, pair.batch, wrapper)
    after = snapshot(model)
    assert all(value.isfinite().all() for value in after.values())
    changed = [n for n in after if not torch.equal(after[n], before[n])]
    assert any('running_mean' in name for name in changed)
    assert any(name.endswith('conv1.weight') for name in changed)
    assert model.finite_check.skipped == 0
    assert len(said) == 1 and 'This step is skipped' in said[0]


def test_a_skipped_step_inside_an_accumulation_group(pair, skipping):
    model, wrapper = skipping(accumulative_counts=2)
    hook = spoil_image(model)
    step(model, pair.batch, wrapper)
    hook.remove()
    for _ in range(3):
        step(model, pair.batch, wrapper)
    assert all(value.isfinite().all() for value in snapshot(model).values())


def test_not_all_steps_are_skipped(det_pair, build_distill):
    model = build_distill(det_pair, on_nonfinite='skip')
    model.finite_check.skipped = PATIENCE
    poison(model.student.neck, 0, math.nan)
    with pytest.raises(FloatingPointError, match='pyramid level 0'):
        step(model, det_pair.batch)


def test_what_is_finite_is_left_alone(pair, build_distill):
    weights = []
    for choice in ('raise', 'skip'):
        torch.manual_seed(0)
        model = build_distill(pair, on_nonfinite=choice)
        model.init_weights()
        step(model, pair.batch)
        weights.append(snapshot(model))
    assert_close(*weights, rtol=0, atol=0)


def test_another_choice_is_refused(det_pair, build_distill):
    with pytest.raises(UsageError, match="'raise', 'skip'.*got 'ignore'"):
        build_distill(det_pair, on_nonfinite='ignore')


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_stage_1_names_a_feature(det_pair, build_tuning, value):
    model = build_tuning(det_pair)
    poison(model.teacher.neck, 1, value)
    with pytest.raises(
        FloatingPointError,
        match="iteration 1: not finite in the teacher's feature 'neck', "
        r'pyramid level 1 \(1 of',
    ):
        step(model, det_pair.batch)


def test_stage_1_names_a_band_of_the_masks(det_pair, build_tuning):
    model = build_tuning(det_pair)
    model.prompts[2].prompts.data[4, 0, 0] = math.nan
    with pytest.raises(
        FloatingPointError,
        match='the masks of pyramid level 2, band level2_horizontal',
    ):
        step(model, det_pair.batch)


def test_stage_1_skips_a_step(pair, build_tuning):
    model = build_tuning(pair, on_nonfinite='skip')
    single = pair.num_levels is None
    source = model.teacher.get_submodule(pair.source)
    hook = source.register_forward_hook(
        lambda module, inputs, out: (
            out * math.nan if single else tuple(x * math.nan for x in out)
        ),
        prepend=True,
    )
    before = snapshot(model)
    step(model, pair.batch)
    assert_close(snapshot(model), before, rtol=0, atol=0)
    assert model.finite_check.skipped == 1
    hook.remove()
    step(model, pair.batch)
    assert model.finite_check.skipped == 0
    assert not torch.equal(
        model.prompts[0].prompts, before['prompts.0.prompts']
    )
