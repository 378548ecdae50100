"""Configs against the zoos they name, and against each other."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from test_configs import CONFIGS, PAIRS, name

from mmfreekd.presets import resolve_preset


@cache
def config(path: Path) -> Config:
    """Read once; no test changes it."""
    return Config.fromfile(path)


@cache
def zoo(package: str, folder: str) -> dict:
    """The models of an installed package's metafile, by config."""
    root = Path(find_spec(package).origin).parent / '.mim'
    (metafile,) = (root / 'configs' / folder).glob('metafile.y*ml')
    models = yaml.safe_load(metafile.read_text())['Models']
    return {model['Config']: model for model in models}


def entry(cfg_path: str) -> dict:
    package, path = cfg_path.split('::')
    return zoo(package, str(Path(path).parent))[f'configs/{path}']


def path_of(address: str) -> str:
    """The path behind the host; OneDL keeps the same files on its own."""
    path = urlparse(address).path
    return path[path.index('/v') :]


def metrics(model: dict) -> list:
    results = model['Results']
    results = results if isinstance(results, list) else [results]
    return [m for result in results for m in result['Metrics'].values()]


def teacher_of(cfg: Config) -> str:
    return cfg.model.teacher.cfg_path


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_the_teacher_checkpoint_is_the_one_of_the_zoo(path):
    cfg = config(path)
    weights = entry(teacher_of(cfg))['Weights']
    # as it is written, and whatever is escaped in it
    assert path_of(cfg.model.teacher_ckpt) == path_of(weights)
    assert Path(unquote(weights)).suffix == '.pth'


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_a_config_says_what_its_teacher_reaches(path):
    """The first number of its first lines is the zoo's."""
    cfg = config(path)
    title = path.read_text().split('_base_')[0]
    if 'classes of' in title:  # the heterogeneous pair
        return
    numbers = [float(m) for m in metrics(entry(teacher_of(cfg)))]
    said = title.split('(')[1].split()[0]
    assert float(said) in numbers


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_nothing_of_mmcv_1_is_left(path):
    """mmengine ignores keys of the old form without a word."""
    cfg = config(path)
    old = {'optimizer_config', 'lr_config', 'runner', 'evaluation', 'data'}
    assert not old & cfg.keys()
    assert {'train_cfg', 'optim_wrapper', 'param_scheduler'} <= cfg.keys()


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_every_setting_of_the_optimiser_is_one_that_mmengine_reads(path):
    """``grad_clip`` and the like would pass unread."""
    cfg = config(path)
    wrapper = cfg.optim_wrapper
    assert wrapper.keys() <= {
        'type',
        'optimizer',
        'clip_grad',
        'paramwise_cfg',
        'accumulative_counts',
        '_scope_',
    }
    clip = wrapper.get('clip_grad')
    assert clip is None or clip.max_norm > 0
    for scheduler in cfg.param_scheduler:
        assert scheduler.type in PARAM_SCHEDULERS and 'policy' not in scheduler
    assert cfg.auto_scale_lr.base_batch_size > 0
    assert not cfg.auto_scale_lr.get('enable')


# the authors' recipe for a pair: learning rate, clipping, weights of the
# frequency, spatial and regression losses, what the student inherits
RECIPES = {
    'retinanet_r101_r50': (0.02, 35, (1, 5, 1), None),
    'retinanet_x101_r50': (0.02, 35, (1, 5, 1), 'neck bbox_head'),
    'faster-rcnn_r101_r50': (0.02, None, (0.8, 1, 1), None),
    'cascade-mask-rcnn_x101_faster-rcnn-r50': (0.02, 35, (1, 2, 1), 'neck'),
    'fcos_r101_r50': (0.01, 35, (5, 10, None), 'neck bbox_head'),
}


@pytest.mark.parametrize('pair', RECIPES)
def test_a_pair_of_the_paper_follows_its_recipe(pair):
    lr, clip, weights, inherit = RECIPES[pair]
    cfg = config(
        CONFIGS / 'freekd/mmdet' / f'freekd-official_{pair}_2x_coco.py'
    )
    assert cfg.optim_wrapper.optimizer.lr == lr
    assert (cfg.optim_wrapper.get('clip_grad') or {}).get('max_norm') == clip
    distiller = cfg.model.distiller
    assert distiller.preset == 'official'
    losses = dict(distiller.distill_losses, loss_freekd=distiller)
    found = [
        losses[name].get('loss_weight', 1) if name in losses else None
        for name in ('loss_freekd', 'loss_spatial', 'loss_regression')
    ]
    assert found == list(weights)
    assert cfg.model.get('student_rois', False) == ('rcnn' in pair)
    assert ' '.join(cfg.model.get('inherit', ())) == (inherit or '')
    assert cfg.train_cfg.max_epochs == 24
    assert cfg.param_scheduler[1].milestones == [16, 22]


NAMES = {
    'mmdet': r'freekd(-(official|encoder|backbone))?(_[a-z0-9-]+){3}'
    r'_\d+[ex]_(coco|voc0712)',
    'mmseg': r'freekd(-head)?(_[a-z0-9-]+){3}_\d+k'
    r'_(cityscapes|ade20k)-\d+x\d+',
}


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_a_name_says_who_how_long_and_on_what(path):
    assert re.fullmatch(NAMES[path.parent.name], path.stem)


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_the_readme_of_its_folder_links_to_a_config(path):
    readme = (path.parent / 'README.md').read_text()
    assert f'[{path.stem}](./{path.name})' in readme


@cache
def metafile(folder: str) -> dict:
    text = (CONFIGS / 'freekd' / folder / 'metafile.yml').read_text()
    return yaml.safe_load(text)


@pytest.mark.parametrize('folder', ['mmdet', 'mmseg'])
def test_the_metafile_lists_every_pair(folder):
    listed = [model['Name'] for model in metafile(folder)['Models']]
    paths = [p for p in PAIRS if p.parent.name == folder]
    assert sorted(listed) == sorted(path.stem for path in paths)
    (collection,) = metafile(folder)['Collections']
    assert (CONFIGS.parent / collection['README']).is_file()


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_the_metafile_says_what_zoos_and_config_say(path):
    models = metafile(path.parent.name)['Models']
    (model,) = [model for model in models if model['Name'] == path.stem]
    (collection,) = metafile(path.parent.name)['Collections']
    assert model['In Collection'] == collection['Name']
    assert CONFIGS.parent / model['Config'] == path
    cfg, said = config(path), model['Metadata']
    assert said['Teacher']['Config'] == teacher_of(cfg)
    preset = cfg.model.distiller.preset  # every pair names it
    assert said['Preset'] == preset
    resolve_preset(preset)
    source = cfg.model.distiller.get('teacher_source')
    source = source or cfg.model.distiller.source
    assert said['Location'] == source.split('.')[0].replace('decode_', '')
    assert said['Student']['Config'] in named(path)
    for who in ('Student', 'Teacher'):
        if who == 'Student' and 'Weights' not in said[who]:
            continue  # the zoo has none of this protocol
        zoos = entry(said[who]['Config'])
        assert path_of(said[who]['Weights']) == path_of(zoos['Weights'])
        assert set(said[who]['Metrics'].values()) <= set(metrics(zoos))


def named(path: Path) -> set:
    """The configs of the zoos that a config is made of."""
    text = re.sub(r"'\s*\n\s*'", '', path.read_text())
    found = set(re.findall(r"'(mm(?:det|seg)::[^']+\.py)'", text))
    for base in re.findall(r"'\./(.+)'", text):
        found |= named(path.parent / base)
    return found
