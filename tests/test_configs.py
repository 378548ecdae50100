"""Every config for public data sets, at full size, on small images."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from tiny_models import det_batch, losses_of, seg_batch

from mmfreekd.models.inheritance import inherit
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS
from mmfreekd.stages import set_prompt_ckpt, tuning_config

CONFIGS = Path(__file__).parents[1] / 'configs'
ALL = sorted(CONFIGS.rglob('*.py'))
EXPERIMENTS = [p for p in ALL if 'experiments' in p.parts]
PAIRS = [p for p in ALL if p.parent.parent.name == 'freekd']
DISTILLATIONS = [
    p
    for p in ALL
    if p.name.startswith(('freekd', 'fkd')) and '_base_' not in p.parts
    if p not in EXPERIMENTS
]
SIZE = 128
IMAGES = ((SIZE, SIZE), (SIZE, SIZE))
FEW = 20  # regions of interest, for their heads take longer than the rest
# a teacher of this size takes long; another layer or recipe is little news
EXTRA = re.compile('swin-l|freekd-official|freekd_dino')

# where a pair compares what: layers, channels of each pyramid level, and the
# teacher's levels if they are not all
FPN = 'neck', 'neck', [256] * 5, [256] * 5, None
FOUR = 'neck', 'neck', [256] * 4, [256] * 4, None
R18_R101 = 'backbone.layer4', 'backbone.layer4', [512], [2048], None
MIT = 'backbone', 'backbone', [32, 64, 160, 256], [64, 128, 320, 512], None
LAYOUTS = {
    'rtmdet_l_s': ('neck', 'neck', [128] * 3, [256] * 3, None),
    'deformable-detr_r50-twostage_r50': FOUR,
    'backbone_deformable-detr_r50_r18': (
        *('backbone', 'backbone', [128, 256, 512], [512, 1024, 2048], None),
    ),
    'freekd_dino_r50-4scale_r18-4scale': FOUR,
    'encoder_dino_r50-4scale_r18-4scale': ('encoder', 'encoder', *FOUR[2:]),
    'freekd_dino_swin-l-5scale_r50-4scale': (*FOUR[:4], [1, 2, 3, 4]),
    'encoder_dino_swin-l-5scale_r50-4scale': (
        *('encoder', 'encoder', *FOUR[2:4], [1, 2, 3, 4]),
    ),
    'deeplabv3_r101_mobilenet-v2': (
        *('backbone.layer7', 'backbone.layer4', [320], [2048], None),
    ),
    'head_pspnet_r101_r18': (
        *('decode_head.bottleneck', 'decode_head.bottleneck'),
        *([128], [512], None),
    ),
    'deeplabv3_r101_r18': R18_R101,
    'freekd_pspnet': R18_R101,
    'segformer_b4_b0': MIT,
}


def name(path):
    return path.stem


def layout(path: Path) -> tuple:
    return next((v for k, v in LAYOUTS.items() if k in path.stem), FPN)


def with_marks(paths):
    """`make test` builds each pair once, `make test-all` everything."""
    return [
        pytest.param(
            path,
            id=name(path),
            marks=[pytest.mark.slow]
            + [pytest.mark.extra] * bool(EXTRA.search(name(path))),
        )
        for path in paths
    ]


def one_per_teacher(paths) -> list:
    """Pairs whose teachers or layers are different ones."""
    chosen = {}
    for path in sorted(paths, key=lambda p: bool(EXTRA.search(name(p)))):
        cfg = Config.fromfile(path).model
        source = layout(path)[1]
        chosen.setdefault((cfg.teacher_ckpt, source), path)
    return sorted(chosen.values())


def test_names_are_unique():
    """mim looks a config up by its name in the whole package."""
    names = [path.name for path in ALL]
    assert len(set(names)) == len(names)


def test_there_are_few_files():
    assert len(ALL) - len(EXPERIMENTS) <= 75


@pytest.mark.parametrize('path', PAIRS, ids=name)
def test_a_pair_is_short(path):
    assert len(path.read_text().splitlines()) <= 20


@pytest.mark.parametrize(
    'path', [p for p in ALL if p not in EXPERIMENTS], ids=name
)
def test_no_config_names_a_hook_of_ours(path):
    """But for one that has to know when to stop."""
    named = re.findall(r'mmfreekd\.(\w+Hook)', path.read_text())
    assert named in ([], ['StopDistillHook'])


@pytest.mark.parametrize('path', DISTILLATIONS, ids=name)
def test_a_distillation_names_its_preset(path):
    """And needs no other file: stage 1 follows from it."""
    cfg = Config.fromfile(path)
    cfg.work_dir = 'work_dirs/pair'
    prompts = set_prompt_ckpt(cfg)
    if prompts is not None:
        assert 'preset' in prompts.owner
        tuning = tuning_config(cfg, prompts)
        assert tuning.model.preset == prompts.preset
        # nothing of the student's schedule is left
        assert {*tuning.train_cfg} == {'type', 'max_iters', 'val_interval'}
        assert {*tuning.optim_wrapper} == {'type', 'optimizer'}
        assert {*tuning.optim_wrapper.optimizer} == {
            *('type', 'lr', 'weight_decay')
        }
        assert tuning.default_hooks.checkpoint.keys() == {
            *('type', 'by_epoch', 'interval', 'max_keep_ckpts')
        }


def test_the_data_of_a_page_of_the_docs_are_those_of_a_config(tmp_path):
    page = (CONFIGS.parent / 'docs/own_data.md').read_text()
    (text,) = re.findall(r'```python\n(.*?)```', page, re.S)
    (tmp_path / 'my_student.py').write_text(text)
    cfg = Config.fromfile(tmp_path / 'my_student.py')
    for loader in ('train', 'val', 'test'):
        dataset = cfg[f'{loader}_dataloader'].dataset
        assert dataset.data_root == cfg.data_root
        assert dataset.ann_file.startswith('annotations/')
        assert not dataset.data_prefix.img.endswith('2017/')
        assert len(dataset.metainfo.classes) == cfg.model.bbox_head.num_classes
    assert cfg.test_evaluator.ann_file == 'data/my_data/annotations/val.json'


@pytest.mark.parametrize(
    'path', [p for p in PAIRS if '-official' in p.name], ids=name
)
def test_an_option_switches_each_extra_loss_of_a_recipe_off(path):
    readme = (path.parent / 'README.md').read_text()
    options = re.findall(r'(model\.distiller\.distill_losses\S+)=0\.0', readme)
    cfg = Config.fromfile(path)
    extra = cfg.model.distiller.distill_losses
    assert {key.split('.')[3] for key in options} >= extra.keys()
    for key in options:
        if key.split('.')[3] in extra:
            cfg.merge_from_dict({key: 0.0})
    for loss in cfg.model.distiller.distill_losses.values():
        assert loss.loss_weight == 0.0


def small(cfg: Config, part: str):
    """A model of a config, with few regions of interest.

    Weights are initialised when training starts, so nothing is downloaded.
    """
    init_default_scope(cfg.default_scope)
    # SyncBN needs a GPU
    model = revert_sync_batchnorm(
        build_model(cfg.model[part], part, cfg.get('data_preprocessor'))
    )
    if cfg.default_scope == 'mmseg':
        model.data_preprocessor.size = (SIZE, SIZE)
    if isinstance(model, TwoStageDetector):
        model.train_cfg.rpn_proposal.max_per_img = FEW
        model.test_cfg.rpn.max_per_img = FEW
    for module in model.modules():
        if hasattr(module, 'level_embed'):  # whatever was in memory, till then
            torch.nn.init.normal_(module.level_embed)
    return model


def build(cfg: Config, **built):
    return MODELS.build(dict(cfg.model, teacher_ckpt=None, **built))


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
    for key, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key
    return losses


def predict(model, cfg: Config) -> None:
    with torch.no_grad():
        results = model.eval().val_step(batch_of(cfg))
    assert len(results) == len(IMAGES)
    kinds = dict(mmdet='pred_instances', mmseg='pred_sem_seg')
    kind = kinds[cfg.default_scope]
    assert all(kind in result for result in results)


@pytest.mark.parametrize('path', with_marks(one_per_teacher(PAIRS)))
def test_the_derived_stage_1_trains_the_prompts_and_nothing_else(path):
    cfg = Config.fromfile(path)
    cfg.work_dir = 'work_dirs/pair'
    cfg = tuning_config(cfg, set_prompt_ckpt(cfg))
    model = build(cfg, architecture=small(cfg, 'architecture'))
    losses = train_step(model, cfg)
    assert 'loss_dissimilarity' in losses
    assert all(key.startswith('prompts.') for key in model.state_dict())
    _, source, _, channels, chosen = layout(path)
    assert model.source == source and model.data_idx == chosen
    assert [p.prompts.size(2) for p in model.prompts] == channels
    if cfg.val_evaluator:
        predict(model, cfg)


@pytest.mark.parametrize('path', with_marks(PAIRS))
def test_stage_2_trains_student_and_connector(path):
    cfg = Config.fromfile(path)
    model = build(
        cfg,
        architecture=small(cfg, 'architecture'),
        teacher=small(cfg, 'teacher'),
    )
    inherit(model.student, model.teacher, model.inherit)
    assert_compares(model.distiller, *layout(path))
    losses = train_step(model, cfg)
    names = {'distill.loss_freekd'}
    names |= {f'distill.{k}' for k in cfg.model.distiller.get(LOSSES, ())}
    assert {k for k in losses if k.startswith('distill.')} == names
    for key in names:
        assert losses[key] > 0, key
    predict(model, cfg)


LOSSES = 'distill_losses'


def assert_compares(
    distiller, s_source, t_source, s_channels, t_channels, idx
):
    """The short form stands for what is written out here."""
    mapping = distiller.loss_forward_mappings['loss_freekd']
    assert mapping['s_feature'] == dict(
        recorder='feature', from_student=True, connector='align'
    )
    wanted = dict(recorder='feature', from_student=False)
    assert mapping['t_feature'] == (
        dict(wanted, data_idx=idx) if idx else wanted
    )
    kind = 'TokenMapsRecorder' if s_source == 'encoder' else None
    for who, source in (('student', s_source), ('teacher', t_source)):
        recorder = getattr(distiller, f'{who}_recorders').get_recorder(
            'feature'
        )
        assert recorder.source == source
        assert kind in (None, type(recorder).__name__)
    (align,) = distiller.connectors.values()
    projections = align.projections
    assert [p.in_channels for p in projections] == s_channels
    assert [p.out_channels for p in projections] == t_channels
    assert distiller.distill_losses['loss_freekd'].channels == t_channels
