"""What is wrong is said before any training, without a traceback."""

import resource
import shutil
import sys
from pathlib import Path

import pytest
import torch
from tiny_configs import det_config, seg_config, write_data

ROOT = Path(__file__).parents[2]
DATA = 'train_dataloader.dataset'
DISTILLER = 'model.distiller'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Data, teachers and two configs."""
    path = tmp_path_factory.mktemp('wrong') / 'data'
    write_data(path)
    det_config(path).dump(str(path / 'det.py'))
    seg_config(path).dump(str(path / 'seg.py'))
    return path


@pytest.fixture
def fails(folder, monkeypatch, capfd, tmp_path):
    """tools/train.py on a wrong config, in this process; what it says."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import _cli
    import train

    def fails(config: str, *options: str, arguments=(), status=2) -> str:
        argv = ['train.py', config, '--work-dir', str(tmp_path / 'run')]
        argv += [*arguments, '--cfg-options', 'log_level=INFO', *options]
        monkeypatch.setattr(sys, 'argv', argv)
        with pytest.raises(SystemExit) as stopped:
            _cli.run(train.main)
        assert stopped.value.code == status
        out, err = capfd.readouterr()
        assert 'Traceback' not in err and 'Iter(train)' not in out + err
        assert not list(tmp_path.rglob('*.pth'))
        return err[('\n' + err).rindex('\nerror: ') :] if status == 2 else err

    return fails


# name: (config, options of --cfg-options, what the message says)
CONFIGS = dict(
    no_such_teacher=(
        'det',
        ['model.teacher_ckpt=nowhere.pth'],
        ['teacher_ckpt', "no file 'nowhere.pth'"],
    ),
    teacher_of_another_architecture=(
        'det',
        ['model.teacher_ckpt=mmseg.pth'],
        ['missing in the file', 'neck.'],
    ),
    no_teacher_checkpoint=(
        'det',
        ['model.teacher_ckpt=None'],
        ['model.teacher_ckpt'],
    ),
    student_checkpoint_of_another_model=(
        'det',
        ['model.student_ckpt=mmseg.pth'],
        ['student_ckpt', 'RetinaNet'],
    ),
    load_from_another_model=(
        'det',
        ['load_from=mmseg.pth'],
        ['keys match FreeKDDistill'],
    ),
    no_such_teacher_config=(
        'det',
        ['model.teacher._delete_=True', 'model.teacher.cfg_path=nowhere.py'],
        ["teacher: there is no config 'nowhere.py'"],
    ),
    prompts_that_are_weights=(
        'seg',
        [f'{DISTILLER}.preset=paper', f'{DISTILLER}.prompt_ckpt=mmseg.pth'],
        ['prompt'],
    ),
    no_such_layer=(
        'seg',
        [f'{DISTILLER}.source=backbone.layer5'],
        ["no layer 'backbone.layer5'", 'backbone.layer4'],
    ),
    unknown_preset=(
        'seg',
        [f'{DISTILLER}.preset=papper'],
        ["'official'", "'papper'"],
    ),
    negative_weight=(
        'seg',
        [f'{DISTILLER}.loss_weight=-1.0'],
        ['loss_weight must not be negative, got -1.0'],
    ),
    misspelt_argument=(
        'seg',
        [f'{DISTILLER}.loss_wieght=2'],
        ["'loss_wieght'"],
    ),
    misspelt_class=(
        'seg',
        [f'{DISTILLER}.type=mmfreekd.FreeKDDistiler'],
        ['Did you mean mmfreekd.FreeKDDistiller'],
    ),
    misspelt_backbone=(
        'det',
        ['model.architecture.backbone.dept=18'],
        ["no argument 'dept'. Did you mean depth"],
    ),
    misspelt_hook=(
        'det',
        ['custom_hooks.0.type=NumClasCheckHook'],
        ['Did you mean mmdet.NumClassCheckHook'],
    ),
    misspelt_optimiser=(
        'seg',
        ['optim_wrapper.optimizer.type=SDG'],
        ["'SDG' is not a optimizer", 'SGD'],
    ),
    misspelt_transform=(
        'seg',
        [f'{DATA}.pipeline.2.crop_sise=3'],
        ["no argument 'crop_sise'. Did you mean crop_size"],
    ),
    misspelt_key=('seg', ['train_cgf.max_iters=9'], ["'train_cfg'?"]),
    part_without_type=('seg', [f'{DATA}.pipeline.2.type=None'], ['type']),
    option_that_does_not_fit=(
        'seg',
        ['param_scheduler.9.type=A'],
        ['--cfg-options', 'param_scheduler.9.type'],
    ),
    negative_learning_rate=(
        'seg',
        ['optim_wrapper.optimizer.lr=-1.0'],
        ['SGD', '-1.0'],
    ),
    empty_batch=(
        'seg',
        ['train_dataloader.batch_size=0'],
        ['dataloader', 'batch_size'],
    ),
    no_data=(
        'seg',
        [f'{DATA}.data_root=nowhere'],
        ["'nowhere/", 'does not exist', 'data_root'],
    ),
    no_annotations=(
        'det',
        [f'{DATA}.ann_file=nowhere.json'],
        ['ann_file', 'nowhere.json', 'does not exist'],
    ),
    other_classes=(
        'det',
        [f'{DATA}.metainfo.classes="(Cat,)"', 'custom_hooks=[]'],
        ['num_classes=2'],
    ),
    stage_1_misspelt=(
        'seg',
        [
            f'{DISTILLER}.preset=paper',
            'stage_1.optim_wrapper.type=OptimWraper',
        ],
        ['Did you mean mmengine.OptimWrapper'],
    ),
)


@pytest.mark.parametrize('case', CONFIGS)
def test_a_config_that_is_wrong(fails, case):
    config, options, words = CONFIGS[case]
    last = fails(f'{config}.py', *options)
    for word in words:
        assert word in last


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
    truncated=lambda path: path.write_bytes(path.read_bytes()[:2000]),
    empty=lambda path: path.write_bytes(b''),
    a_bit_flipped=flipped,
    a_web_page=lambda path: path.write_text('<html>404</html>'),
    with_a_call=lambda path: torch.save(dict(state_dict=print), path),
    no_weights=lambda path: torch.save([1], path),
    integers=changed(lambda w: w.long()),
    nan=changed(lambda w: w * float('nan')),
    of_another_width=changed(lambda w: w[:1]),
)


@pytest.mark.parametrize('how', DAMAGES)
def test_a_teacher_that_is_broken(fails, folder, how):
    path = folder / f'teacher_{how}.pth'
    shutil.copy(folder / 'mmseg.pth', path)
    DAMAGES[how](path)
    assert f'teacher_ckpt: {str(path)!r}' in fails(
        'seg.py', f'model.teacher_ckpt={path}'
    )


@pytest.mark.parametrize(
    'text, words',
    [
        ('model = dict(', 'SyntaxError'),
        ("_base_ = './nowhere.py'", 'nowhere.py'),
        ("_base_ = 'mmdett::nowhere.py'", 'specify the package name'),
        ('optim_wraper = dict()', "'optim_wraper' that"),
    ],
)
def test_a_config_that_cannot_be_read(fails, tmp_path, text, words):
    (tmp_path / 'unreadable.py').write_text(text)
    assert words in fails(str(tmp_path / 'unreadable.py'))


@pytest.mark.parametrize(
    'damage, words',
    [
        (lambda p: p.write_text(p.read_text()[:99]), 'file is no JSON'),
        (
            lambda p: p.write_text(p.read_text().replace('.png', '.jpg')),
            '.jpg',
        ),
    ],
)
def test_annotations_that_are_broken(fails, folder, damage, words):
    path = folder / 'broken.json'
    shutil.copy(folder / 'ann.json', path)
    damage(path)
    assert words in fails('det.py', f'{DATA}.ann_file=broken.json')


@pytest.mark.parametrize(
    'work_dir, words',
    [('det.py', 'a folder is needed'), ('/proc/run', 'another --work-dir')],
)
def test_a_work_dir_that_cannot_be_written(fails, work_dir, words):
    assert words in fails('seg.py', arguments=['--work-dir', work_dir])


@pytest.fixture
def full_disk():
    """Files cannot grow beyond what logs need."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_becomes_full(fails, full_disk):
    # checkpoints are larger than what is left, and none is kept half written
    options = ['train_cfg.max_iters=1', 'default_hooks.logger.interval=9']
    assert 'must not become as large' in fails('seg.py', *options)


@pytest.mark.parametrize(
    'content, words',
    [
        (None, "there is no 'resume_me.pth'"),
        (dict(), 'has no message_hub and no optimizer'),
        (dict(optimizer={}, message_hub={}), 'FreeKDDistill'),
    ],
)
def test_a_checkpoint_that_cannot_be_resumed(fails, folder, content, words):
    path = folder / 'resume_me.pth'
    path.unlink(missing_ok=True)
    if content is not None:
        torch.save(dict(state_dict={}, **content), path)
    said = fails('seg.py', arguments=['--resume', 'resume_me.pth'])
    assert words in said


@pytest.mark.parametrize(
    'option, words',
    [('--amp', 'needs a GPU'), ('--auto-scale-lr', 'base_batch_size')],
)
def test_options_that_do_not_fit(fails, option, words):
    assert words in fails('seg.py', arguments=[option])


def test_a_dry_run_lists_all_problems(fails):
    said = fails(
        'seg.py',
        'model.teacher_ckpt=nowhere.pth',
        f'{DISTILLER}.source=backbone.layer5',
        f'{DATA}.data_root=nowhere',
        'optim_wrapper.optimizer.type=SDG',
        arguments=['--dry-run'],
        status=1,
    )
    for words in (
        "no file 'nowhere.pth'",
        "no layer 'backbone.layer5'",
        "'nowhere/",
        "'SDG'",
    ):
        assert words in said
