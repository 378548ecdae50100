"""Every config for public data sets, at full size, on small images."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from tiny_models import det_batch, losses_of, seg_batch

import mmfreekd.registry
from mmfreekd.checkpoints.prompts import save_prompts
from mmfreekd.models import FrequencyPrompt
from mmfreekd.models.inheritance import inherit
from mmfreekd.models.pyramid import channels_per_level
from mmfreekd.models.zoo import build_model

CONFIGS = Path(__file__).parents[1] / 'configs'
ALL = sorted(CONFIGS.rglob('*.py'))
FREEKD = [p for p in ALL if p.parent.parent.name == 'freekd']
TEMPLATE = [p for p in ALL if p.parent.name == '_template_']
STAGE_1 = [p for p in FREEKD if p.parent.name == 'prompt']
STAGE_2 = [p for p in FREEKD if p.parent.name != 'prompt']
SIZE = 128
IMAGES = ((SIZE, SIZE), (SIZE, SIZE))
FEW = 20  # regions of interest, for their heads take longer than the rest
# a teacher of this size takes long, another preset is little news
HEAVY = re.compile('swin-l|neck_dino|prompt_dino')
VARIANT = re.compile('-(paper|official)_')


def name(path):
    return path.stem


def of_template(prefix: str) -> list:
    return [path for path in TEMPLATE if path.name.startswith(prefix)]


def with_marks(paths):
    """`make test` builds each pair once, `make test-all` everything."""
    return [
        pytest.param(
            path,
            id=name(path),
            marks=[pytest.mark.slow]
            + [pytest.mark.extra]
            * bool(HEAVY.search(name(path)) or VARIANT.search(name(path))),
        )
        for path in paths
    ]


def test_names_are_unique():
    """mim looks a config up by its name in the whole package."""
    names = [path.name for path in ALL]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('path', FREEKD + TEMPLATE, ids=name)
def test_a_config_is_short(path):
    assert len(path.read_text().splitlines()) <= 32


@pytest.mark.parametrize(
    'path', [p for p in STAGE_2 if '--cfg-options' in p.read_text()], ids=name
)
def test_the_options_in_a_config_switch_its_extra_losses_off(path):
    text = path.read_text()
    options = dict(re.findall(r'#   (model\S+)=(\S+)\n', text))
    cfg = Config.fromfile(path)
    before = cfg.model.distiller.distill_losses.to_dict()
    cfg.merge_from_dict({key: float(off) for key, off in options.items()})
    losses = cfg.model.distiller.distill_losses.to_dict()
    extra = losses.keys() - {'loss_freekd'}
    assert len(options) == len(extra) > 0
    for key in extra:
        before[key]['loss_weight'] = 0.0
    assert losses == before


@pytest.mark.parametrize('kind', ['coco', 'seg'])
def test_the_template_asks_for_data_and_classes_once(kind):
    """What the data file says is in force in every step."""
    data = Config.fromfile(CONFIGS / '_template_' / f'my_{kind}_data.py')
    for step in (
        'my_{}_teacher',
        'my_{}_student',
        'prompt_my_{}',
        'freekd_my_{}',
    ):
        path = CONFIGS / '_template_' / f'{step.format(kind)}.py'
        cfg = Config.fromfile(path)
        for loader in ('train', 'val', 'test'):
            dataset = cfg[f'{loader}_dataloader'].dataset
            assert dataset.data_root == data.my_root
            assert tuple(dataset.metainfo.classes) == data.my_classes
            said = data.my_train if loader == 'train' else data.my_val
            assert dataset.data_prefix == said.data_prefix
        if kind == 'coco':
            ann_file = data.my_root + data.my_val.ann_file
            assert cfg.val_evaluator.ann_file == ann_file
            assert cfg.test_evaluator.ann_file == ann_file
        for architecture in ('architecture', 'teacher'):
            if architecture in cfg.model:
                model = build_model(cfg.model[architecture], architecture)
                heads = (
                    [model.bbox_head]
                    if kind == 'coco'
                    else [model.decode_head, model.auxiliary_head]
                )
                for head in heads:
                    assert head.num_classes == len(data.my_classes)


def build(cfg: Config, **built):
    """The model of a config, with the teacher, which has no file, built.

    Weights are initialised when training starts, so nothing is downloaded.
    """
    init_default_scope(cfg.default_scope)
    model = ConfigDict(cfg.model.to_dict(), teacher_ckpt=None, **built)
    if 'data_preprocessor' in cfg:
        model['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    # SyncBN needs a GPU
    model = revert_sync_batchnorm(mmfreekd.registry.MODELS.build(model))
    if cfg.default_scope == 'mmseg':
        model.data_preprocessor.size = (SIZE, SIZE)
    for part in model.modules():
        if isinstance(part, TwoStageDetector):
            part.train_cfg.rpn_proposal.max_per_img = FEW
            part.test_cfg.rpn.max_per_img = FEW
        if hasattr(part, 'level_embed'):  # whatever was in memory, till then
            torch.nn.init.normal_(part.level_embed)
    return model


def batch_of(cfg: Config) -> dict:
    """Small images, with masks if the config's data set loads them."""
    if cfg.default_scope == 'mmseg':
        return seg_batch(IMAGES)
    # DINO picks its 900 queries among the tokens; in 128 x 128 pixels there
    # are 1364 of five scales, but 340 of four
    model = str(cfg.model.architecture).lower()
    larger = 2 if 'dino' in model and '5scale' not in model else 1
    batch = det_batch([(larger * h, larger * w) for h, w in IMAGES])
    if "'with_mask': True" not in str(cfg.train_dataloader.to_dict()):
        return batch
    for sample in batch['data_samples']:
        masks = np.zeros((1, SIZE, SIZE), np.uint8)
        masks[:, 6:40, 4:36] = 1
        sample.gt_instances.masks = BitmapMasks(masks, SIZE, SIZE)
    return batch


def train_step(model, cfg: Config) -> dict:
    losses = losses_of(model.train(), batch_of(cfg))
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    return losses


def predict(model, cfg: Config) -> None:
    with torch.no_grad():
        results = model.eval().val_step(batch_of(cfg))
    assert len(results) == len(IMAGES)
    kinds = dict(mmdet='pred_instances', mmseg='pred_sem_seg')
    kind = kinds[cfg.default_scope]
    assert all(kind in result for result in results)


def assert_only_these_train(model, frozen: str) -> None:
    for key, parameter in model.named_parameters():
        trained = parameter.requires_grad and not key.startswith(frozen)
        assert (parameter.grad is not None) == trained, key


@pytest.mark.parametrize('path', with_marks(STAGE_1 + of_template('prompt_')))
def test_stage_1_trains_the_prompts_and_nothing_else(path):
    cfg = Config.fromfile(path)
    model = build(cfg)
    losses = train_step(model, cfg)
    assert 'loss_dissimilarity' in losses
    assert_only_these_train(model, 'architecture.')
    predict(model, cfg)


@pytest.mark.parametrize('path', with_marks(STAGE_2 + of_template('freekd_')))
def test_stage_2_trains_student_and_connector(path, tmp_path):
    cfg = Config.fromfile(path)
    loss = cfg.model.distiller.distill_losses.loss_freekd
    loss.prompt_ckpt = None
    untuned = mmfreekd.registry.MODELS.build(loss)
    loss.prompt_ckpt = str(tmp_path / 'prompts.pth')
    save_prompts(
        torch.nn.ModuleList(
            FrequencyPrompt(channels, untuned.num_prompts, **untuned.layout)
            for channels in untuned.channels
        ),
        loss.prompt_ckpt,
    )
    teacher = build_model(dict(cfg.model.pop('teacher')), 'teacher')
    model = build(cfg, teacher=teacher)
    inherit(model.student, model.teacher, model.inherit)
    losses = train_step(model, cfg)
    names = {f'distill.{k}' for k in cfg.model.distiller.distill_losses}
    assert {k for k in losses if k.startswith('distill.')} == names
    for key in names:
        assert losses[key] > 0, key
    assert_only_these_train(model, 'teacher.')
    align = cfg.model.distiller.connectors.align
    levels = align.get('num_levels')
    assert compared_channels(model) == [
        channels_per_level(align.in_channels, levels),
        channels_per_level(loss.channels, loss.get('num_levels')),
    ]
    predict(model, cfg)


def compared_channels(model) -> list:
    """The channels of what FreeKDLoss compares, before any connector."""
    mapping = model.distiller.loss_forward_mappings['loss_freekd']
    channels = []
    for side in ('s_feature', 't_feature'):
        record = {k: v for k, v in mapping[side].items() if k != 'connector'}
        feature = model.distiller.get_record(**record)
        levels = [feature] if torch.is_tensor(feature) else feature
        channels.append([level.size(1) for level in levels])
    return channels
