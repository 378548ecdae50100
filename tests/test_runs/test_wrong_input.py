"""What is wrong is said before any training, without a traceback."""

import resource
import shutil

import pytest
import torch
from in_process import fails  # noqa: F401
from runs import FREEKD, PROMPTS, STUDENTS, config_path

from mmfreekd.doctor.__main__ import main as doctor

pytestmark = pytest.mark.slow
LOSS = 'model.distiller.distill_losses.loss_freekd'
ALIGN = 'model.distiller.connectors.align'
MAPPING = 'model.distiller.loss_forward_mappings.loss_freekd'
S_FEATURE = f'{MAPPING}.s_feature'
RECORDERS = 'model.distiller.teacher_recorders'
DATA = 'train_dataloader.dataset'
DET, SEG = FREEKD['reppoints'], FREEKD['pspnet']
TUNE = PROMPTS['pspnet']
TEACHER = 'work_dirs/demo/pspnet/teacher/iter_1000.pth'

# name: (config, options of --cfg-options, what the message says)
CONFIGS = dict(
    no_such_teacher=(
        DET,
        ['model.teacher_ckpt=nowhere.pth'],
        ['teacher_ckpt', "no file 'nowhere.pth'"],
    ),
    teacher_of_another_architecture=(
        DET,
        [f'model.teacher_ckpt={TEACHER}'],
        ['missing in the file', 'unexpected in the file', 'decode_head.'],
    ),
    no_teacher_checkpoint=(
        DET,
        ['model.teacher_ckpt=None'],
        ['model.teacher_ckpt'],
    ),
    student_checkpoint_of_another_model=(
        DET,
        [f'model.student_ckpt={TEACHER}'],
        ['student_ckpt', 'keys match the student (RepPointsDetector)'],
    ),
    load_from_another_model=(
        STUDENTS['reppoints'],
        [f'load_from={TEACHER}'],
        ['keys match RepPointsDetector', 'belong together'],
    ),
    no_such_teacher_config=(
        DET,
        ['model.teacher.cfg_path=nowhere.py'],
        ["teacher: there is no config 'nowhere.py'"],
    ),
    prompts_missing=(
        SEG,
        [f'{LOSS}.prompt_ckpt=nowhere.pth'],
        ['Stage 1', 'tools/train.py'],
    ),
    no_prompts=(
        SEG,
        [f'{LOSS}.prompt_ckpt=None'],
        ['no frequency prompts', 'tools/train.py'],
    ),
    prompts_that_are_weights=(
        SEG,
        [f'{LOSS}.prompt_ckpt={TEACHER}'],
        ['holds no frequency prompts'],
    ),
    prompts_of_other_channels=(
        SEG,
        [f'{LOSS}.channels=128', f'{ALIGN}.out_channels=128'],
        ['channels is [256], expected [128]'],
    ),
    prompts_of_other_number=(
        SEG,
        [f'{LOSS}.num_prompts=6'],
        ['num_prompts is 2, expected 6'],
    ),
    prompts_of_other_levels=(
        SEG,
        [f'{LOSS}.levels=2'],
        ['levels is 3, expected 2'],
    ),
    prompts_of_another_layout=(
        SEG,
        [f'{LOSS}.band_layout=level'],
        ['band_layout is subband, expected level'],
    ),
    prompts_of_another_wavelet=(
        SEG,
        [f'{LOSS}.wavelet=db2'],
        ['wavelet is haar, expected db2'],
    ),
    prompts_of_another_pyramid=(
        SEG,
        [f'{LOSS}.prompt_ckpt=work_dirs/demo/reppoints/prompt/prompts.pth'],
        ['channels is [64, 64, 64], expected [256]'],
    ),
    no_such_layer=(
        SEG,
        [f'{RECORDERS}.stage4.source=backbone.layer5'],
        ["no layer 'backbone.layer5'", 'backbone.layer4'],
    ),
    no_such_connector=(SEG, [f'{S_FEATURE}.connector=aling'], ['aling']),
    no_such_recorder=(SEG, [f'{S_FEATURE}.recorder=stage5'], ['stage5']),
    no_connector=(
        SEG,
        [
            f'{S_FEATURE}._delete_=True',
            f'{S_FEATURE}.recorder=stage4',
            f'{S_FEATURE}.from_student=True',
        ],
        ['(4, 64, 12, 12)', '(4, 256, 12, 12)', 'FeatureAlignConnector'],
    ),
    sizes_differ=(
        SEG,
        [f'{ALIGN}.scale_factor=2'],
        ['(4, 256, 24, 24)', '(4, 256, 12, 12)', 'scale_factor'],
    ),
    connector_of_other_channels=(
        SEG,
        [f'{ALIGN}.in_channels=32'],
        ['set in_channels=64'],
    ),
    pyramid_of_other_levels=(
        DET,
        [f'{ALIGN}.num_levels=2'],
        ['expects 2 pyramid level(s), got 3'],
    ),
    even_kernel=(
        SEG,
        [f'{ALIGN}.kernel_size=2'],
        ['kernel_size must be odd, got 2'],
    ),
    negative_scale=(
        SEG,
        [f'{ALIGN}.scale_factor=-1'],
        ['scale_factor must be positive, got -1'],
    ),
    no_wavelet_levels=(
        SEG,
        [f'{LOSS}.levels=0'],
        ['levels must be a positive integer, got 0'],
    ),
    negative_wavelet_levels=(
        SEG,
        [f'{LOSS}.levels=-3'],
        ['levels must be a positive integer, got -3'],
    ),
    unknown_wavelet=(
        SEG,
        [f'{LOSS}.wavelet=daubechies'],
        ["'daubechies' is not one that PyWavelets knows"],
    ),
    wavelet_that_is_not_orthogonal=(
        SEG,
        [f'{LOSS}.wavelet=bior2.2'],
        ["'bior2.2' is not orthogonal", 'haar'],
    ),
    unknown_layout=(
        SEG,
        [f'{LOSS}.band_layout=bands'],
        ["('subband', 'level'), got 'bands'"],
    ),
    unknown_preset=(
        SEG,
        [f'{LOSS}.preset=papper'],
        ["'official'", "got 'papper'"],
    ),
    negative_weight=(
        SEG,
        [f'{LOSS}.loss_weight=-1.0'],
        ['loss_weight must not be negative, got -1.0'],
    ),
    no_channels=(SEG, [f'{LOSS}.channels=0'], ['channels must be', '[0]']),
    misspelt_argument=(
        SEG,
        [f'{LOSS}.loss_wieght=2'],
        ["no argument 'loss_wieght'. Did you mean loss_weight"],
    ),
    misspelt_class=(
        SEG,
        [f'{LOSS}.type=mmfreekd.FreeKDLos'],
        ["'mmfreekd.FreeKDLos'", 'Did you mean mmfreekd.FreeKDLoss'],
    ),
    misspelt_hook=(
        SEG,
        ['custom_hooks.0.type=mmfreekd.RandomStatHook'],
        ['Did you mean mmfreekd.RandomStateHook'],
    ),
    misspelt_optimiser=(
        SEG,
        ['optim_wrapper.optimizer.type=SDG'],
        ['optimizer.type is no optimizer', ' SGD'],
    ),
    misspelt_part=(
        SEG,
        ['model.distiller.distill_losses.loss_frekd.loss_weight=2'],
        ['has no type'],
    ),
    misspelt_key=(SEG, ['train_cgf.max_iters=9'], ["'train_cfg'?"]),
    option_that_does_not_fit=(
        SEG,
        ['custom_hooks.9.type=A'],
        ['--cfg-options', 'custom_hooks.9.type'],
    ),
    negative_learning_rate=(
        SEG,
        ['optim_wrapper.optimizer.lr=-1.0'],
        ['Invalid learning rate: -1.0'],
    ),
    empty_batch=(
        SEG,
        ['train_dataloader.batch_size=0'],
        ['batch_size should be a positive integer'],
    ),
    no_data=(
        SEG,
        [f'{DATA}.data_root=nowhere'],
        ["'nowhere/", 'does not exist', 'data_root'],
    ),
    no_annotations=(
        DET,
        [f'{DATA}.ann_file=annotations/nowhere.json'],
        ['ann_file', 'nowhere.json', 'does not exist'],
    ),
    tuning_of_other_channels=(
        TUNE,
        ['model.channels=128'],
        ['has 256 channels, expected 128'],
    ),
    tuning_no_prompts=(
        TUNE,
        ['model.prompt.num_prompts=0'],
        ['num_prompts must be a positive integer, got 0'],
    ),
    tuning_negative_prompts=(
        TUNE,
        ['model.prompt.num_prompts=-2'],
        ['num_prompts must be a positive integer, got -2'],
    ),
    tuning_no_such_layer=(
        TUNE,
        ['model.source=backbone.layr4'],
        ["no layer 'backbone.layr4'", 'backbone.layer4'],
    ),
    tuning_unknown_overlap=(
        TUNE,
        [
            'model.loss_dissimilarity.type=mmfreekd.PromptDissimilarityLoss',
            'model.loss_dissimilarity.kind=iou',
        ],
        ["('jaccard', 'dice'), got 'iou'"],
    ),
)


@pytest.mark.parametrize('case', CONFIGS)
def test_a_config_that_is_wrong(fails, case):  # noqa: F811
    config, options, said = CONFIGS[case]
    last = fails(config, *options)
    last = last[last.rindex('error: ') :]
    for words in said:
        assert words in last


def truncated(path):
    path.write_bytes(path.read_bytes()[:2000])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def changed(change):
    def damage(path):
        content = torch.load(path)
        weights = content['state_dict']
        key = next(k for k in weights if weights[k].dim() == 4)
        weights[key] = change(weights[key])
        torch.save(content, path)

    return damage


DAMAGES = dict(
    truncated=(truncated, 'cannot be read as a checkpoint'),
    empty=(lambda path: path.write_bytes(b''), 'cannot be read'),
    a_bit_flipped=(flipped, 'bad checksum'),
    a_web_page=(
        lambda path: path.write_text('<html>404</html>'),
        'cannot be read as a checkpoint',
    ),
    with_a_call=(
        lambda path: torch.save(dict(state_dict=print), path),
        'objects that are not loaded from files',
    ),
    no_weights=(lambda path: torch.save([1], path), 'holds a list'),
    integers=(changed(lambda w: w.long()), 'torch.int64, expected'),
    nan=(changed(lambda w: w * float('nan')), 'is not finite'),
    of_another_width=(changed(lambda w: w[:1]), 'with another shape'),
)


@pytest.mark.parametrize('how', DAMAGES)
def test_a_teacher_that_is_broken(fails, workspace, how):  # noqa: F811
    damage, said = DAMAGES[how]
    path = workspace.path / f'teacher_{how}.pth'
    shutil.copy(workspace.path / TEACHER, path)
    damage(path)
    last = fails(SEG, f'model.teacher_ckpt={path}')
    assert f'error: teacher_ckpt: {str(path)!r}' in last and said in last


def a_file(folder, name, text):
    (folder / name).write_text(text)
    return name


@pytest.mark.parametrize(
    'text, said',
    [
        ('model = dict(', 'SyntaxError'),
        ("_base_ = './nowhere.py'", 'nowhere.py'),
        ("_base_ = 'mmdett::nowhere.py'", 'specify the package name'),
        (
            f'_base_ = {config_path(SEG)!r}\noptim_wraper = dict()',
            "'optim_wraper' that",
        ),
    ],
)
def test_a_config_that_cannot_be_read(fails, workspace, text, said):  # noqa: F811
    name = a_file(workspace.path, 'unreadable.py', text)
    if 'optim_wraper' in text:  # it may be a variable where both are there
        text = text.replace('_base_', '_unused_')
        a_file(workspace.path, name, text)
    assert said in fails(name)


@pytest.fixture
def data(workspace):
    """A copy of the data set of the detector, to be damaged."""
    path = workspace.path / 'data/damaged'
    shutil.copytree(workspace.path / 'data/demo/coco', path)
    yield path
    shutil.rmtree(path)


def test_a_data_folder_that_is_empty(fails, data):  # noqa: F811
    shutil.rmtree(data / 'train2017')
    (data / 'train2017').mkdir()
    last = fails(DET, f'{DATA}.data_root={data}/')
    assert 'train2017' in last and 'is empty' in last


def test_a_data_folder_that_is_half_there(fails, data):  # noqa: F811
    for path in sorted((data / 'train2017').iterdir())[1:]:
        path.unlink()
    last = fails(DET, f'{DATA}.data_root={data}/')
    assert 'no file or folder' in last and 'train2017' in last


def test_annotations_that_are_truncated(fails, data):  # noqa: F811
    for path in (data / 'annotations').glob('*train*'):
        path.write_text(path.read_text()[:500])
    last = fails(DET, f'{DATA}.data_root={data}/')
    assert 'annotation file is no JSON' in last


def test_a_work_dir_that_is_a_file(fails, workspace):  # noqa: F811
    a_file(workspace.path, 'taken', '')
    last = fails(SEG, arguments=['--work-dir', 'taken'])
    assert "'taken'" in last and 'a folder is needed' in last


def test_a_work_dir_that_is_read_only(fails):  # noqa: F811
    last = fails(SEG, arguments=['--work-dir', '/proc/run'])
    assert "'/proc/run'" in last and 'Give another --work-dir' in last


@pytest.fixture
def full_disk():
    """Files cannot grow beyond what the data set and logs need."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_becomes_full(workspace, monkeypatch, capfd, full_disk):
    # checkpoints are larger than what is left, and nothing half is kept
    monkeypatch.setattr(
        'sys.argv',
        [
            'train.py',
            config_path(SEG),
            '--work-dir',
            'full',
            '--cfg-options',
            'train_cfg.max_iters=1',
        ],
    )
    monkeypatch.chdir(workspace.path)
    import _cli
    import train

    with pytest.raises(SystemExit):
        _cli.run(train.main)
    last = capfd.readouterr().err
    assert 'must not become as large' in last[last.rindex('error: ') :]
    assert not list((workspace.path / 'full').glob('*.pth*'))


def checkpoint(folder, **content):
    path = folder / 'resume_me.pth'
    torch.save(dict(state_dict={}, **content), path)
    return str(path)


@pytest.mark.parametrize(
    'make, said',
    [
        (lambda folder: 'nowhere.pth', "there is no 'nowhere.pth'"),
        (lambda folder: TEACHER, 'has no message_hub and no optimizer'),
        (
            lambda folder: checkpoint(folder, optimizer={}, message_hub={}),
            'keys match FreeKDDistill',
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_resumed(
    fails,  # noqa: F811
    workspace,
    make,
    said,
):
    path = make(workspace.path)
    assert said in fails(SEG, arguments=['--resume', path])


@pytest.mark.parametrize(
    'option, said',
    [('--amp', 'needs a GPU'), ('--auto-scale-lr', 'base_batch_size')],
)
def test_options_that_do_not_fit(fails, option, said):  # noqa: F811
    assert said in fails(SEG, arguments=[option])


def test_a_dry_run_lists_all_problems(fails):  # noqa: F811
    said = fails(
        SEG,
        'model.teacher_ckpt=nowhere.pth',
        f'{LOSS}.levels=0',
        f'{ALIGN}.kernel_size=2',
        f'{RECORDERS}.stage4.source=backbone.layer5',
        'model.architecture.backbone.dept=18',
        f'{DATA}.data_root=nowhere',
        arguments=['--dry-run'],
        status=1,
    )
    for words in (
        "no file 'nowhere.pth'",
        'levels must be a positive integer, got 0',
        'kernel_size must be odd, got 2',
        "no layer 'backbone.layer5'",
        "no argument 'dept'. Did you mean depth",
        "'nowhere/",
    ):
        assert words in said


@pytest.mark.parametrize(
    'config, words',
    [
        (SEG, ['backbone.layer4 <- backbone.layer4', '2x256x', 'align']),
        (DET, ['neck <- neck', 'loss_freekd (FreeKDLoss)', '1.0']),
        (TUNE, ['loss_dissimilarity', 'backbone.layer4']),
        (STUDENTS['reppoints'], ['parameters train']),
    ],
)
def test_what_the_demo_trains_has_no_problems(
    workspace, monkeypatch, capsys, config, words
):
    monkeypatch.chdir(workspace.path)
    assert doctor([config_path(config)]) == 0
    out = capsys.readouterr().out
    for word in [*words, 'No problem was found', 'memory of a step']:
        assert word in out
