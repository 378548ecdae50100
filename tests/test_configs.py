"""Every config for COCO and Cityscapes, at full size, on small images."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from tiny_models import det_batch, losses_of, seg_batch

import mmfreekd.registry
from mmfreekd.models import FrequencyPrompt
from mmfreekd.models.zoo import build_model
from mmfreekd.prompt_files import save_prompts

CONFIGS = Path(__file__).parents[1] / 'configs'
ALL = sorted(CONFIGS.rglob('*.py'))
STAGE_1 = [p for p in ALL if p.parent.name == 'prompt']
STAGE_2 = [
    p
    for p in ALL
    if p.parent.parent.name == 'freekd' and p.name.startswith('freekd_')
]
SIZE = 128


def name(path):
    return path.stem


def test_names_are_unique():
    """mim looks a config up by its name in the whole package."""
    names = [path.name for path in ALL]
    assert len(set(names)) == len(names)


def zoo_weights(cfg_path: str) -> str:
    return get_config(cfg_path, pretrained=True).model_path


@pytest.mark.parametrize('path', STAGE_2, ids=name)
def test_the_teacher_checkpoint_is_the_one_of_the_zoo(path):
    model = Config.fromfile(path).model
    assert model.teacher_ckpt == zoo_weights(model.teacher.cfg_path)


@pytest.mark.parametrize('path', STAGE_1, ids=name)
def test_the_prompted_teacher_is_the_one_of_the_zoo(path):
    text = path.read_text()
    zoo = text.split("_base_ = '")[1].split("'")[0]
    assert Config.fromfile(path).model.teacher_ckpt == zoo_weights(zoo)


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


def without_downloads(model) -> None:
    """Nothing is fetched to initialise a backbone."""
    model.pop('pretrained', None)
    model.backbone.pop('init_cfg', None)


def build(cfg: Config, **built):
    """The model of a config, with the teacher, which has no file, built."""
    init_default_scope(cfg.default_scope)
    model = ConfigDict(cfg.model.to_dict(), teacher_ckpt=None, **built)
    if 'data_preprocessor' in cfg:
        model['data_preprocessor'] = dict(
            cfg.data_preprocessor.to_dict(), size=(SIZE, SIZE)
        )
    # SyncBN needs a GPU
    return revert_sync_batchnorm(mmfreekd.registry.MODELS.build(model))


def train_step(model, scope: str) -> dict:
    batch = dict(mmdet=det_batch, mmseg=seg_batch)[scope]
    losses = losses_of(model.train(), batch(((SIZE, SIZE), (SIZE, SIZE))))
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    return losses


def assert_only_these_train(model, frozen: str) -> None:
    for key, parameter in model.named_parameters():
        trained = parameter.requires_grad and not key.startswith(frozen)
        assert (parameter.grad is not None) == trained, key


@pytest.mark.slow
@pytest.mark.parametrize('path', STAGE_1, ids=name)
def test_stage_1_trains_the_prompts_and_nothing_else(path):
    cfg = Config.fromfile(path)
    without_downloads(cfg.model.architecture)
    model = build(cfg)
    losses = train_step(model, cfg.default_scope)
    assert 'loss_dissimilarity' in losses
    assert_only_these_train(model, 'architecture.')


@pytest.mark.slow
@pytest.mark.parametrize('path', STAGE_2, ids=name)
def test_stage_2_trains_student_and_connector(path, tmp_path):
    cfg = Config.fromfile(path)
    without_downloads(cfg.model.architecture)
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
    losses = train_step(model, cfg.default_scope)
    names = {f'distill.{k}' for k in cfg.model.distiller.distill_losses}
    assert {k for k in losses if k.startswith('distill.')} == names
    for key in names:
        assert losses[key] > 0, key
    assert_only_these_train(model, 'teacher.')
