"""What is wrong is said before any training, without a traceback."""

import pytest
import torch
from runs import FREEKD, PROMPTS

pytestmark = pytest.mark.slow
LOSS = 'model.distiller.distill_losses.loss_freekd'
ALIGN = 'model.distiller.connectors.align'
S_FEATURE = 'model.distiller.loss_forward_mappings.loss_freekd.s_feature'
RECORDERS = 'model.distiller.teacher_recorders'

CASES = dict(
    no_such_teacher=(
        'reppoints',
        ['model.teacher_ckpt=nowhere.pth'],
        ['teacher_ckpt', "no file 'nowhere.pth'"],
    ),
    teacher_of_another_architecture=(
        'reppoints',
        ['model.teacher_ckpt=work_dirs/demo/pspnet/teacher/iter_1000.pth'],
        ['missing in the file', 'left over in the file', 'decode_head.'],
    ),
    no_teacher_checkpoint=(
        'reppoints',
        ['model.teacher_ckpt=None'],
        ['model.teacher_ckpt'],
    ),
    prompts_missing=(
        'pspnet',
        [f'{LOSS}.prompt_ckpt=nowhere.pth'],
        ['Stage 1', 'tools/train.py'],
    ),
    no_prompts=(
        'pspnet',
        [f'{LOSS}.prompt_ckpt=None'],
        ['no frequency prompts', 'tools/train.py'],
    ),
    prompts_of_other_channels=(
        'pspnet',
        [f'{LOSS}.channels=128', f'{ALIGN}.out_channels=128'],
        ['channels is [256], expected [128]'],
    ),
    prompts_of_other_number=(
        'pspnet',
        [f'{LOSS}.num_prompts=6'],
        ['num_prompts is 2, expected 6'],
    ),
    prompts_of_other_levels=(
        'pspnet',
        [f'{LOSS}.levels=2'],
        ['levels is 3, expected 2'],
    ),
    prompts_of_another_layout=(
        'pspnet',
        [f'{LOSS}.band_layout=level'],
        ['band_layout is subband, expected level'],
    ),
    no_such_layer=(
        'pspnet',
        [f'{RECORDERS}.stage4.source=backbone.layer5'],
        ["no layer 'backbone.layer5'", 'backbone.layer4'],
    ),
    no_connector=(
        'pspnet',
        [
            f'{S_FEATURE}._delete_=True',
            f'{S_FEATURE}.recorder=stage4',
            f'{S_FEATURE}.from_student=True',
        ],
        ['(4, 64, 12, 12)', '(4, 256, 12, 12)', 'FeatureAlignConnector'],
    ),
    sizes_differ=(
        'pspnet',
        [f'{ALIGN}.scale_factor=2'],
        ['(4, 256, 24, 24)', '(4, 256, 12, 12)', 'scale_factor'],
    ),
    connector_of_other_channels=(
        'pspnet',
        [f'{ALIGN}.in_channels=32'],
        ['set in_channels=64'],
    ),
)


@pytest.mark.parametrize('case', CASES)
def test_stage_2_says_what_is_wrong(workspace, case):
    task, options, said = CASES[case]
    out = workspace.train(FREEKD[task], f'wrong_{case}', 2, *options, status=2)
    last = out[out.rindex('error: ') :]
    assert 'Traceback' not in last
    for words in said:
        assert words in last
    assert 'Iter(train)' not in out
    assert not list((workspace.path / f'wrong_{case}').glob('*.pth'))


def test_stage_1_says_that_the_channels_differ(workspace):
    out = workspace.train(
        PROMPTS['pspnet'], 'wrong_prompt', 2, 'model.channels=128', status=2
    )
    assert 'has 256 channels, expected 128' in out[out.rindex('error: ') :]


def test_a_checkpoint_that_is_no_checkpoint_is_named(workspace):
    path = workspace.path / 'broken.pth'
    torch.save(dict(state_dict={}), path)
    path.write_bytes(path.read_bytes()[:200])
    out = workspace.train(
        FREEKD['pspnet'],
        'wrong_broken',
        2,
        f'model.teacher_ckpt={path}',
        status=2,
    )
    assert 'cannot be read as a checkpoint' in out[out.rindex('error: ') :]
