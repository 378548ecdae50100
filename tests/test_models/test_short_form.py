"""The short form of a distiller: what it finds out and what it builds."""

import copy

import pytest
import torch
from mmengine.model import BaseModel
from references import freekd_of
from tiny_models import distiller, losses_of, snapshot, total
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from mmfreekd.errors import CheckpointError, UsageError
from mmfreekd.models import FreeKDDistill
from mmfreekd.models.distillers.expansion import match_levels
from mmfreekd.models.probe import Probed, probe
from mmfreekd.models.zoo import build_model

ALIGN = dict(
    type='mmfreekd.FeatureAlignConnector', in_channels=8, out_channels=12
)
PLAIN = dict(name='paper', num_prompts=0, position_gate=False)
IMAGES = torch.randn(
    2, 3, 97, 97, generator=torch.Generator().manual_seed(0)
).double()


def short(**changes):
    return dict(
        type='mmfreekd.FreeKDDistiller', **{'source': 'neck', **changes}
    )


def value_and_gradients(model, batch):
    torch.manual_seed(3)
    losses = losses_of(model.train(), batch)
    total(losses).backward()
    return losses, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    'said',
    [dict(), dict(loss_weight=0.3, preset=dict(name='plus', high_weight=0.1))],
)
def test_it_is_the_long_form(pair, build_distill, said):
    brief = short(source=pair.source, prompt_ckpt=pair.prompt_ckpt, **said)
    model = build_distill(pair, distiller=brief)
    written_out = build_distill(pair, loss=said)
    model.load_state_dict(written_out.state_dict())
    assert_close(
        value_and_gradients(model, pair.batch),
        value_and_gradients(written_out, pair.batch),
        rtol=0,
        atol=0,
    )


def test_further_losses_share_its_parts(det_pair, build_distill):
    spatial = dict(
        type='mmfreekd.PyramidLoss',
        loss=dict(type='mmrazor.L2Loss', normalize=False, div_element=True),
        num_levels=3,
    )
    further = dict(
        distill_losses=dict(loss_spatial=spatial),
        loss_forward_mappings=dict(
            loss_spatial=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, connector='align'
                ),
                t_feature=dict(recorder='feature', from_student=False),
            )
        ),
    )
    model = build_distill(det_pair, distiller=short(preset=PLAIN, **further))
    losses = losses_of(model.train(), det_pair.batch)
    inputs = model.distiller.loss_inputs('loss_freekd').values()
    assert_close(
        losses['distill.loss_spatial'],
        sum(F.mse_loss(s, t) for s, t in zip(*inputs, strict=True)),
    )
    assert losses['distill.loss_freekd'] > 0


class Levels(nn.Module):
    """Averages over windows; their size is rounded up or down."""

    def __init__(self, channels, strides, ceil):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, c, 1) for c in channels)
        self.strides, self.ceil = strides, ceil

    def forward(self, x):
        return tuple(
            F.avg_pool2d(conv(x), stride, ceil_mode=self.ceil)
            for conv, stride in zip(self.convs, self.strides, strict=True)
        )


class Toy(BaseModel):
    """A neck of so many levels, and a layer that is not used."""

    def __init__(self, strides=(8, 16), channels=3, ceil=False):
        super().__init__()
        self.neck = Levels([channels] * len(strides), strides, ceil)
        self.spare = nn.Conv2d(3, 3, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        levels = self.neck(inputs)
        return dict(loss=levels[0].mean()) if mode == 'loss' else levels


def distil(student, teacher, **changes):
    cfg = short(**{'preset': PLAIN, **changes})
    return FreeKDDistill(student, teacher, cfg).double().train()


ALL = (4, 8, 16, 32, 64)


@pytest.mark.parametrize(
    'student, teacher, data_idx, pairs, aligned',
    [
        (dict(), dict(), None, [(0, 0), (1, 1)], False),
        (dict(channels=5), dict(), None, [(0, 0), (1, 1)], True),
        # 97 pixels are 13 of 8 or 12, 7 of 16 or 6
        (dict(ceil=True), dict(), None, [(0, 0), (1, 1)], True),
        (dict(), dict(ceil=True), None, [(0, 0), (1, 1)], True),
        (dict(strides=[2]), dict(strides=[2], ceil=True), 0, [(0, 0)], True),
        # other strides, level by level
        (dict(strides=[16]), dict(strides=[8]), None, [(0, 0)], True),
        (dict(strides=[8]), dict(strides=[32]), None, [(0, 0)], True),
        # those of the same size
        (
            dict(strides=ALL),
            dict(strides=ALL[1:]),
            None,
            [(1, 0), (2, 1), (3, 2), (4, 3)],
            False,
        ),
        (
            dict(strides=ALL, ceil=True),
            dict(strides=ALL[1:4]),
            None,
            [(1, 0), (2, 1), (3, 2)],
            True,
        ),
        (
            dict(strides=ALL[2:4]),
            dict(strides=ALL),
            None,
            [(0, 2), (1, 3)],
            False,
        ),
        # those that are chosen
        (dict(), dict(), 1, [(1, 1)], False),
        (dict(), dict(), -2, [(0, 0)], False),
        (
            dict(strides=ALL[:3]),
            dict(strides=ALL[1:3]),
            [0, -1],
            [(0, 0), (2, 1)],
            True,
        ),
    ],
)
def test_levels_of_one_size_are_compared_at_the_teachers_size(
    student, teacher, data_idx, pairs, aligned
):
    model = distil(Toy(**student), Toy(**teacher), data_idx=data_idx)
    assert ('align' in model.distiller.connectors) == aligned
    loss = model(IMAGES, None, mode='loss')['distill.loss_freekd']
    s, t = model.student.neck(IMAGES), model.teacher.neck(IMAGES)
    s, t = [s[i] for i, _ in pairs], [t[i] for _, i in pairs]
    if aligned:
        convs = model.distiller.connectors['align'].projections
        s = [
            F.interpolate(conv(x), y.shape[2:], mode='bilinear')
            for conv, x, y in zip(convs, s, t, strict=True)
        ]
    assert_close(loss, freekd_of(s, t))


@pytest.mark.parametrize(
    'data_idx, message',
    [
        (None, 'no pyramid levels .* about the same size.*by data_idx'),
        (1, r'data_idx=1 .*the student has 2, the teacher 1'),
        ([0, -2], r'data_idx=\[0, -2\] chooses'),
    ],
)
def test_refuses_levels_that_cannot_be_compared(data_idx, message):
    sides = [Probed([(3, n, n) for n in s], False) for s in ([9, 5], [32])]
    with pytest.raises(UsageError, match=message):
        match_levels(*sides, data_idx)


@pytest.mark.parametrize('student', [dict(), dict(channels=5)])
def test_a_connector_that_is_given_is_completed(student):
    align = dict(type='mmfreekd.FeatureAlignConnector', kernel_size=3)
    model = distil(Toy(**student), Toy(), connectors=dict(align=align))
    channels = student.get('channels', 3)
    for conv in model.distiller.connectors['align'].projections:
        assert conv.weight.shape == (3, channels, 3, 3)
    losses = model(IMAGES, None, mode='loss')
    losses['distill.loss_freekd'].backward()
    for parameter in model.distiller.connectors.parameters():
        assert parameter.grad.any()


def test_prompts_of_another_teacher_are_refused(det_pair, build_distill):
    teacher = copy.deepcopy(det_pair.student)  # of 8 channels
    with pytest.raises(CheckpointError, match='channels is .12, 12, 12., but'):
        build_distill(
            det_pair,
            teacher=teacher,
            teacher_ckpt=None,
            distiller=short(prompt_ckpt=det_pair.prompt_ckpt),
        )


@pytest.mark.parametrize('data_idx, levels', [(1, [1]), ([0, -1], [0, 2])])
def test_it_picks_the_prompts_of_its_levels(
    det_pair, build_distill, data_idx, levels
):
    prompts = torch.load(det_pair.prompt_ckpt)['state_dict']
    cfg = short(prompt_ckpt=det_pair.prompt_ckpt, data_idx=data_idx)
    model = build_distill(det_pair, distiller=cfg).train()
    loss = model.distiller.distill_losses['loss_freekd']
    for i, level in enumerate(levels):
        own = getattr(loss, f'prompts_{i}')
        assert_close(own, prompts[f'{level}.prompts'], rtol=0, atol=0)
    losses_of(model, det_pair.batch)
    features = model.distiller.loss_inputs('loss_freekd').values()
    for feature in features:
        assert [x.size(-1) for x in feature] == [8 >> i for i in levels]


def states(model):
    """All that a forward pass could change."""
    modules = dict(model.named_modules())
    return (
        {name: m.training for name, m in modules.items()},
        {name: len(m._forward_hooks) for name, m in modules.items()},
        {name: p.requires_grad for name, p in model.named_parameters()},
        {name: p.grad for name, p in model.named_parameters()},
    )


@pytest.mark.parametrize('who', ['student', 'teacher'])
def test_probing_changes_nothing(pair, who):
    model = build_model(copy.deepcopy(pair.student), who).train()
    model.backbone.layer1.eval()
    # some models draw random numbers on their way
    model.backbone.register_forward_pre_hook(
        lambda *_: None if torch.rand(1) >= 0 else 0
    )
    before, state, random = (
        snapshot(model),
        states(model),
        torch.get_rng_state(),
    )
    ((shapes, tokens),) = probe((model, pair.source, who))
    assert not tokens and {s[0] for s in shapes} == {pair.in_channels}
    assert_close(snapshot(model), before, rtol=0, atol=0)
    assert states(model) == state
    assert torch.equal(torch.get_rng_state(), random)


def test_the_student_starts_as_it_does_alone(pair, build_distill):
    torch.manual_seed(5)
    alone = build_model(copy.deepcopy(pair.student), 'architecture')
    state = torch.get_rng_state()
    torch.manual_seed(5)
    cfg = short(source=pair.source, prompt_ckpt=pair.prompt_ckpt)
    model = build_distill(pair, distiller=cfg)
    assert_close(snapshot(model.student), snapshot(alone), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_that_takes_only_some_sizes_is_probed_at_one_of_them():
    class Strict(Toy):
        def forward(self, inputs, *args, **kwargs):
            if inputs.size(2) % self.multiple:
                raise ValueError('odd size')
            return super().forward(inputs, *args, **kwargs)

    model = Strict()
    for Strict.multiple, side in ((256, 32), (512, 64)):
        # of both, the same size
        for shapes, _ in probe((Toy(), 'neck', 'a'), (model, 'neck', 'b')):
            assert shapes[0] == (3, side, side)
    Strict.multiple = 7777
    with pytest.raises(UsageError, match='ValueError: odd size.*out, with'):
        probe((model, 'neck', 'teacher'))
    assert not model.neck._forward_hooks


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            dict(source='nek'),
            r"student \(RetinaNet\) has no layer 'nek'.*neck",
        ),
        (dict(student_source='neck'), 'either source.*student_source'),
        (
            dict(source=None, student_source='neck'),
            'either source.*got source=None, teacher_source=None',
        ),
        (
            dict(source=None, student_source='neck', teacher_source='nek'),
            r"teacher \(RetinaNet\) has no layer 'nek'",
        ),
        (
            dict(distill_losses=dict(loss_2=dict(type='mmrazor.L2Loss'))),
            r'distill_losses.loss_2 would have no effect.*Add it there',
        ),
        (
            dict(connectors=dict(more=ALIGN)),
            'connectors.more would have no effect',
        ),
        (
            dict(
                teacher_recorders=dict(
                    more=dict(type='ModuleOutputs', source='backbone')
                )
            ),
            'teacher_recorders.more would have no effect',
        ),
    ],
)
def test_refuses_what_it_cannot_use(det_pair, build_distill, changes, message):
    with pytest.raises(UsageError, match=message):
        build_distill(det_pair, distiller=short(preset=PLAIN, **changes))


def test_refuses_a_layer_that_puts_out_no_maps():
    model = Toy()
    model.neck.register_forward_hook(lambda *_: (IMAGES[0], dict()), prepend=1)
    said = r"'neck' of the teacher must put.*\[a tensor \(3, 97, 97\), dict\]"
    with pytest.raises(UsageError, match=said):
        probe((model, 'neck', 'teacher'))
    with pytest.raises(UsageError, match="without passing 'spare'"):
        probe((model, 'spare', 'teacher'))


def test_refuses_a_loss_that_mmengine_would_not_add_up(
    seg_pair, build_distill
):
    cfg = distiller(32, 64, seg_pair.source, num_prompts=0)
    for key in ('distill_losses', 'loss_forward_mappings'):
        cfg[key] = dict(freekd=cfg[key].loss_freekd)
    with pytest.raises(UsageError, match='freekd would not be .*loss_freekd'):
        build_distill(seg_pair, distiller=cfg)
