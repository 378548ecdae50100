"""Configs against the zoos they name, and against each other."""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from mmengine.config import Config
from test_configs import CONFIGS, FREEKD, STAGE_1, STAGE_2, name

from mmfreekd.errors import CheckpointError
from mmfreekd.presets import preset_with
from mmfreekd.registry import MODELS

TRAIN = CONFIGS.parent / 'tools' / 'train.py'
PACKAGES = dict(mmdet='mmdet', mmseg='mmsegmentation')


@cache
def config(path: Path) -> Config:
    """Read once; no test changes it."""
    return Config.fromfile(path)


@cache
def zoo(package: str, folder: str) -> dict:
    """The models of an installed package's metafile, by config."""
    root = Path(distribution(PACKAGES[package]).locate_file(package)) / '.mim'
    (metafile,) = (root / 'configs' / folder).glob('metafile.y*ml')
    models = yaml.safe_load(metafile.read_text())['Models']
    return {model['Config']: model for model in models}


def entry(cfg_path: str) -> dict:
    package, path = cfg_path.split('::')
    return zoo(package, str(Path(path).parent))[f'configs/{path}']


def metrics(model: dict) -> list:
    results = model['Results']
    results = results if isinstance(results, list) else [results]
    return [m for result in results for m in result['Metrics'].values()]


def teacher_of(cfg: Config) -> str:
    model = cfg.model
    return (model.get('teacher') or model.architecture).cfg_path


@pytest.mark.parametrize('path', FREEKD, ids=name)
def test_the_teacher_checkpoint_is_the_one_of_the_zoo(path):
    cfg = config(path)
    weights = entry(teacher_of(cfg))['Weights']
    # as it is written, and whatever is escaped in it
    assert cfg.model.teacher_ckpt == weights
    assert Path(unquote(weights)).suffix == '.pth'


@pytest.mark.parametrize('path', FREEKD, ids=name)
def test_a_config_says_what_its_teacher_reaches(path):
    """The first number of its first lines is the zoo's."""
    cfg = config(path)
    title = path.read_text().split('_base_')[0]
    if 'classes of' in title:  # the heterogeneous pair
        return
    numbers = [float(m) for m in metrics(entry(teacher_of(cfg)))]
    said = title.split('(')[1].split()[0]
    assert float(said) in numbers


@pytest.mark.parametrize('path', STAGE_2, ids=name)
def test_the_prompts_of_stage_2_come_from_a_stage_1(path):
    cfg = config(path)
    loss = cfg.model.distiller.distill_losses.loss_freekd
    folder, file = Path(loss.prompt_ckpt).parts[1:]
    assert file == 'prompts.pth'
    (stage_1,) = [p for p in STAGE_1 if p.stem == folder]
    prompts = config(stage_1).model
    assert prompts.teacher_ckpt == cfg.model.teacher_ckpt
    assert prompts.architecture.cfg_path == cfg.model.teacher.cfg_path
    recorder = cfg.model.distiller.teacher_recorders[
        cfg.model.distiller.loss_forward_mappings.loss_freekd.t_feature.recorder
    ]
    assert prompts.source == recorder.source
    assert prompts.channels == loss.channels
    assert prompts.get('num_levels') == loss.get('num_levels')
    assert prompts.preset == loss.preset
    preset_with(loss.preset)


@pytest.mark.parametrize('path', STAGE_2, ids=name)
def test_prompts_that_are_missing_name_their_stage_1(
    path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    loss = config(path).model.distiller.distill_losses.loss_freekd
    with pytest.raises(CheckpointError, match='Stage 1 writes it') as error:
        MODELS.build(loss)
    python, tool, stage_1 = str(error.value).split('writes it: ')[1].split()
    assert python == 'python' and Path(tool).samefile(TRAIN)
    assert Path(stage_1).stem == Path(loss.prompt_ckpt).parent.name
    assert Path(stage_1).resolve() in STAGE_1


@pytest.mark.parametrize('path', STAGE_1, ids=name)
def test_every_stage_1_has_a_stage_2(path):
    assert any(f'/{path.stem}/' in p.read_text() for p in STAGE_2)


@pytest.mark.parametrize('path', FREEKD, ids=name)
def test_nothing_of_mmcv_1_is_left(path):
    """mmengine ignores keys of the old form without a word."""
    cfg = config(path)
    old = {'optimizer_config', 'lr_config', 'runner', 'evaluation', 'data'}
    assert not old & cfg.keys()
    assert {'train_cfg', 'optim_wrapper', 'param_scheduler'} <= cfg.keys()
    mmfreekd_hooks = {hook.type for hook in cfg.custom_hooks}
    writes = 'Prompt' if path in STAGE_1 else 'Student'
    assert mmfreekd_hooks >= {
        'mmfreekd.RandomStateHook',
        'mmfreekd.PlainCheckpointHook',
        f'mmfreekd.{writes}CheckpointHook',
    }


@pytest.mark.parametrize('folder', ['mmdet', 'mmseg'])
def test_the_metafile_lists_every_pair_as_the_zoo_does(folder):
    root = CONFIGS / 'freekd' / folder
    metafile = yaml.safe_load((root / 'metafile.yml').read_text())
    pairs = {
        Path(pair['Config']).name: pair
        for pair in metafile['Models'] + metafile['Pairs']
    }
    paths = {path.name: path for path in STAGE_2 if path.parent == root}
    assert pairs.keys() == paths.keys()
    for file, path in paths.items():
        teacher = pairs[file]['Metadata']['Teacher']
        assert teacher['Config'] == teacher_of(config(path))
        zoos = entry(teacher['Config'])
        assert teacher['Weights'] == zoos['Weights']
        assert set(teacher['Metrics'].values()) <= set(metrics(zoos))
