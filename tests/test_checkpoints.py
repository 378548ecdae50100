import io
import math
import pickle

import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import nn
from torch.testing import assert_close

from mmfreekd import __version__
from mmfreekd.checkpoints import (
    export_student,
    leave_out,
    load_strictly,
    read_checkpoint,
    refuse_foreign,
    save_atomically,
)
from mmfreekd.checkpoints.prompts import load_prompts, save_prompts
from mmfreekd.errors import CheckpointError
from mmfreekd.models import FrequencyPrompt

LAYOUT = dict(
    channels=(4, 6),
    num_prompts=2,
    levels=3,
    band_layout='subband',
    wavelet='haar',
)


def make_prompts(channels=(4, 6), **layout):
    prompts = nn.ModuleList(FrequencyPrompt(c, **layout) for c in channels)
    for prompt in prompts:
        nn.init.normal_(prompt.prompts)
    return prompts


def small_model(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'file.pth')


@pytest.mark.parametrize(
    'layout',
    [
        dict(),
        dict(num_prompts=1),
        dict(num_prompts=6, band_layout='level'),
        dict(levels=1, wavelet='db2'),
        dict(channels=(5,)),
    ],
)
def test_prompts_survive_a_round_trip(path, layout):
    prompts, others = make_prompts(**layout), make_prompts(**layout)
    save_prompts(prompts, path, dict(source='neck'))
    meta = load_prompts(others, path)
    assert_close(
        dict(others.state_dict()), dict(prompts.state_dict()), rtol=0, atol=0
    )
    layout = {**LAYOUT, **layout}
    assert meta == {
        **layout,
        'channels': list(layout['channels']),
        'source': 'neck',
        'mmfreekd_version': __version__,
    }


def test_the_file_of_prompts_is_plain_and_small(path):
    prompts = make_prompts()
    save_prompts(prompts, path)
    content = torch.load(path, weights_only=True)
    assert content.keys() == {'meta', 'state_dict'}
    assert [tuple(v.shape) for v in content['state_dict'].values()] == [
        (10, 2, 4),
        (10, 2, 6),
    ]
    assert not any(v.requires_grad for v in content['state_dict'].values())


@pytest.mark.parametrize(
    'other, message',
    [
        (dict(channels=(4, 7)), r'channels is \[4, 6\], expected \[4, 7\]'),
        (dict(channels=(4,)), r'channels is \[4, 6\], expected \[4\]'),
        (dict(num_prompts=6), 'num_prompts is 2, expected 6'),
        (dict(levels=2), 'levels is 3, expected 2'),
        (dict(band_layout='level'), 'band_layout is subband, expected level'),
        (dict(wavelet='db2'), 'wavelet is haar, expected db2'),
        (
            dict(levels=1, num_prompts=1),
            'num_prompts is 2, expected 1; levels is 3, expected 1',
        ),
    ],
)
def test_prompts_of_another_layout_are_refused(path, other, message):
    save_prompts(make_prompts(), path)
    mine = make_prompts(**other)
    before = {k: v.clone() for k, v in mine.state_dict().items()}
    with pytest.raises(
        CheckpointError,
        match=f'file.pth.*another layout: '
        f'{message}. Set the same in the config',
    ):
        load_prompts(mine, path)
    assert_close(dict(mine.state_dict()), before, rtol=0, atol=0)


def test_no_prompts_names_stage_1():
    with pytest.raises(
        CheckpointError,
        match="no file 'no/such.pth'. Stage 1 "
        'writes it: python tools/train.py PROMPT_CONFIG',
    ):
        load_prompts(make_prompts(), 'no/such.pth')


@pytest.mark.parametrize(
    'content',
    [
        dict(state_dict=dict(weight=torch.ones(1)), meta=dict()),
        dict(state_dict=dict(weight=torch.ones(1))),
        dict(weight=torch.ones(1)),
    ],
)
def test_another_checkpoint_is_not_taken_for_prompts(path, content):
    torch.save(content, path)
    with pytest.raises(
        CheckpointError,
        match='holds no frequency prompts; '
        'expected the prompts.pth that stage 1 writes',
    ):
        load_prompts(make_prompts(), path)


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('wrapped', [True, False])
def test_loads_every_weight(path, wrapped, prefix):
    model, other = small_model(), small_model()
    nn.init.normal_(model[1].running_mean)
    weights = {prefix + k: v for k, v in model.state_dict().items()}
    torch.save(dict(state_dict=weights, meta={}) if wrapped else weights, path)
    load_strictly(other, path, 'teacher_ckpt')
    assert_close(dict(other.state_dict()), dict(model.state_dict()))


def test_forgives_a_missing_count_of_batches(path):
    weights = small_model().state_dict()
    del weights['1.num_batches_tracked']
    torch.save(weights, path)
    load_strictly(small_model(), path, 'teacher_ckpt')


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda w: w.pop('0.bias'), r'missing in the file \(1\):\n    0.bias'),
        (
            lambda w: w.update(head=w['0.bias']),
            r'unexpected in the file \(1\):\n    head',
        ),
        (
            lambda w: w.update({'0.bias': torch.ones(5)}),
            r'another shape \(1\):\n    0.bias is \(5,\), expected \(3,\)',
        ),
        (
            lambda w: (
                w.update({'0.bias': torch.ones(5), 'x': torch.ones(1)}),
                w.pop('1.weight'),
            ),
            'missing.*1.weight.*unexpected.*x.*another shape.*0.bias',
        ),
        (lambda w: w.clear(), r'missing in the file \(6\)'),
    ],
)
def test_lists_what_does_not_match(path, change, message):
    weights = small_model().state_dict()
    change(weights)
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(
        CheckpointError,
        match='(?s)teacher_ckpt: .*file.pth.*'
        f'not a checkpoint of this Sequential.*{message}',
    ):
        load_strictly(small_model(), path, 'teacher_ckpt')


def test_a_long_list_is_cut(path):
    torch.save({f'w{i:02}': torch.ones(1) for i in range(14)}, path)
    with pytest.raises(CheckpointError) as error:
        load_strictly(nn.Sequential(), path, 'teacher_ckpt')
    assert 'unexpected in the file (14)' in str(error.value)
    assert 'w09' in str(error.value) and 'w10' not in str(error.value)
    assert '... and 4 more' in str(error.value)


@pytest.mark.parametrize(
    'content', [dict(model=dict(weight=torch.ones(1))), dict(epoch=3), dict()]
)
def test_a_file_of_another_kind_is_no_checkpoint(path, content):
    torch.save(content, path)
    with pytest.raises(CheckpointError, match='not a checkpoint of this'):
        load_strictly(small_model(), path, 'teacher_ckpt')


def test_a_missing_file_is_named_with_the_working_directory():
    with pytest.raises(
        CheckpointError,
        match='teacher_ckpt: there is no file '
        r"'no/such.pth' \(working directory /",
    ):
        read_checkpoint('no/such.pth', 'teacher_ckpt')


@pytest.mark.parametrize(
    'damage',
    [
        lambda data: data[: len(data) // 2],
        lambda data: b'',
        lambda data: b'<html>not found</html>',
        lambda data: b'PK' + data[:9],
    ],
)
def test_a_broken_file_is_named(path, damage):
    buffer = io.BytesIO()
    torch.save(dict(weight=torch.ones(100)), buffer)
    with open(path, 'wb') as file:
        file.write(damage(buffer.getvalue()))
    with pytest.raises(CheckpointError, match='file.pth.*cannot be read'):
        read_checkpoint(path, 'teacher_ckpt')


@pytest.mark.parametrize(
    'content, kind', [([1, 2], 'list'), (torch.ones(1), 'Tensor')]
)
def test_a_file_without_weights_is_named(path, content, kind):
    torch.save(content, path)
    with pytest.raises(
        CheckpointError, match=f'file.pth. holds a {kind}, expected a dict'
    ):
        read_checkpoint(path, 'teacher_ckpt')


@pytest.mark.parametrize(
    'call',
    [
        (print, ('this must not be printed',)),
        (eval, ('1 + 1',)),
        (np.fromfile, ('/dev/null',)),
        (torch.load, ('x.pth',)),
    ],
)
def test_a_file_that_is_not_safe_is_named(path, call):

    class Harm:
        def __reduce__(self):
            return call

    torch.save(dict(harm=Harm()), path)
    with pytest.raises(
        CheckpointError,
        match='(?s)teacher_ckpt: .*file.pth.*(print|eval|fromfile|load)',
    ):
        read_checkpoint(path, 'teacher_ckpt')


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.student = small_model()
        self.teacher = small_model()
        leave_out(self, 'teacher')


@pytest.mark.parametrize(
    'wrap',
    [nn.Identity, nn.Sequential, lambda m: nn.ModuleDict(dict(teacher=m))],
)
def test_a_part_that_is_left_out_is_not_missed(wrap):
    model = Pair() if wrap is nn.Identity else wrap(Pair())
    other = Pair() if wrap is nn.Identity else wrap(Pair())
    weights = model.state_dict()
    student = [k for k in weights if 'student.' in k]
    assert len(student) == 7 and student == list(weights)
    other.load_state_dict(weights, strict=True)
    assert_close(dict(other.state_dict()), dict(weights))


def test_a_part_that_is_not_left_out_is_missed():
    weights = Pair().state_dict()
    del weights['student.0.bias']
    with pytest.raises(RuntimeError, match='Missing key.*"student.0.bias"'):
        Pair().load_state_dict(weights, strict=True)


def test_only_the_named_part_is_left_out():
    model = Pair()
    model.teacher_scale = nn.Parameter(torch.ones(1))
    model.student.teacher = nn.Linear(2, 2)
    weights = model.state_dict()
    assert {'teacher_scale', 'student.teacher.bias'} < weights.keys()
    del weights['student.teacher.bias']
    with pytest.raises(RuntimeError, match='student.teacher.bias'):
        model.load_state_dict(weights, strict=True)


def test_a_file_is_written_whole_or_not_at_all(path, tmp_path):
    save_atomically(dict(weight=torch.ones(1)), path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_atomically(dict(weight=lambda: None), path)
    assert_close(torch.load(path)['weight'], torch.ones(1))


@pytest.mark.parametrize(
    'weights, message',
    [
        (
            {'neck.weight': torch.ones(1)},
            'found: neck.weight.*belong together',
        ),
        (
            {'architecture.0.bias': torch.ones(1)},
            'checkpoint of a distillation',
        ),
        ({'0.weight': torch.ones(9, 9)}, 'belong together'),
        ({'1.num_batches_tracked': torch.tensor(1)}, 'belong together'),
        ({}, 'found: no weights'),
    ],
)
def test_a_checkpoint_that_holds_nothing_of_a_model(weights, message):
    model = small_model()
    refuse_foreign(model)
    with pytest.raises(
        CheckpointError, match=f"checkpoint's keys match Sequential.*{message}"
    ):
        load_state_dict(model, weights)
    load_state_dict(model, {'0.bias': torch.full((3,), 7.0)})
    assert_close(model[0].bias.detach(), torch.full((3,), 7.0))


@pytest.fixture
def distillation(path):
    """A checkpoint as a distillation leaves it."""
    torch.save(
        dict(
            meta=dict(
                epoch=2,
                iter=30,
                cfg='model = ...',
                dataset_meta=dict(classes=('a', 'b')),
            ),
            state_dict={
                'architecture.neck.weight': torch.ones(2),
                'distiller.connectors.align.weight': torch.ones(3),
            },
            optimizer=dict(state={}),
            message_hub=dict(),
        ),
        path,
    )
    return path


def test_the_student_alone_is_exported(distillation, tmp_path):
    target = str(tmp_path / 'student.pth')
    export_student(distillation, target)
    student = torch.load(target, weights_only=True)
    assert student.keys() == {'meta', 'state_dict'}
    assert_close(student['state_dict'], {'neck.weight': torch.ones(2)})
    assert student['meta'] == dict(
        epoch=2,
        iter=30,
        dataset_meta=dict(classes=('a', 'b')),
        mmfreekd_version=__version__,
    )


@pytest.mark.parametrize('weights', [{}, {'prompts.0.prompts': torch.ones(1)}])
def test_what_holds_no_student_is_refused(path, tmp_path, weights):
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(CheckpointError, match='holds no student'):
        export_student(path, str(tmp_path / 'student.pth'))
    assert not (tmp_path / 'student.pth').exists()


@pytest.mark.parametrize('number', [math.nan, math.inf])
def test_a_student_that_is_not_finite_keeps_the_earlier_export(
    distillation, tmp_path, number
):
    target = tmp_path / 'student.pth'
    export_student(distillation, str(target))
    before = target.read_bytes()
    content = torch.load(distillation)
    content['state_dict']['architecture.neck.weight'][1] = number
    torch.save(content, distillation)
    with pytest.raises(
        CheckpointError, match='(?s)is not exported.*neck.weight is not finite'
    ):
        export_student(distillation, str(target))
    assert target.read_bytes() == before
