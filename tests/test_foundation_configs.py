"""Every config of foundation models, at full width and depth, small images.

``pytest -m '' -rP tests/test_foundation_configs.py`` prints the memory.
"""

import re
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, init_default_scope
from mmengine.structures import BaseDataElement
from tiny_models import losses_of, seg_batch

import mmfreekd.registry
from mmfreekd.models.zoo import build_model
from mmfreekd.stages import set_prompt_ckpt, tuning_config

pytest.importorskip('transformers')
CONFIGS = Path(__file__).parents[1] / 'configs'
PAIRS = [
    path
    for folder in ('dinov2', 'sam')
    for path in sorted((CONFIGS / 'foundation' / folder).glob('*.py'))
]
SHAPES = sorted((CONFIGS / 'foundation' / 'shapes').glob('*.py'))
SIZE = 128  # SAM's encoders keep a position for each patch of it


def with_marks(paths):
    return [
        pytest.param(
            path,
            id=path.stem,
            marks=[pytest.mark.slow]
            + [pytest.mark.extra]
            * any(arch in path.stem for arch in ('vit-l', 'vit-h')),
        )
        for path in paths
    ]


def small_images(model: dict) -> None:
    """The same networks, but for fewer positions."""
    for name in ('architecture', 'teacher'):
        encoder = model.get(name, {}).get('backbone', {})
        if encoder.get('type') == 'mmfreekd.SamEncoder':
            encoder['image_size'] = SIZE
        preprocessor = model.get(name, {}).get('data_preprocessor', {})
        if 'pad_size_divisor' in preprocessor:
            preprocessor['pad_size_divisor'] = SIZE


def batch(cfg: Config) -> dict:
    if cfg.default_scope == 'mmseg':
        return seg_batch([(SIZE, SIZE)] * 2)
    samples = [
        BaseDataElement(metainfo=dict(img_shape=(SIZE, SIZE))) for _ in '12'
    ]
    images = [torch.randint(0, 256, (3, SIZE, SIZE)).byte() for _ in samples]
    return dict(inputs=images, data_samples=samples)


def step(cfg: Config, *parts: str):
    """Build a model whose parts need no weights, and train a step."""
    init_default_scope(cfg.default_scope)
    model = dict(cfg.model, teacher_ckpt=None)
    for part in parts:
        model[part] = revert_sync_batchnorm(build_model(model[part], part))
    model = mmfreekd.registry.MODELS.build(model)
    if cfg.default_scope == 'mmseg':
        model.data_preprocessor.size = (SIZE, SIZE)
    losses = losses_of(model.train(), batch(cfg))
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    for key, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key
    return model, losses


def read(path: Path) -> Config:
    cfg = Config.fromfile(path)
    cfg.work_dir = 'work_dirs/pair'
    return cfg


@pytest.mark.parametrize('path', with_marks(PAIRS))
def test_a_step_trains_what_it_is_to_train(path):
    cfg = read(path)
    assert {'train_cfg', 'optim_wrapper', 'param_scheduler'} <= cfg.keys()
    small_images(cfg.model)
    model, losses = step(cfg, 'architecture', 'teacher')
    assert losses['distill.loss_freekd'] > 0
    assert model.distiller.distill_losses['loss_freekd'].channels == (
        [768] if 'dinov2' in path.stem else [256]
    )
    aligns = {k: v.in_channels for k, v in model.distiller.connectors.items()}
    assert aligns == (
        dict(align=[256] if 'segformer' in path.stem else [512])
        if 'dinov2' in path.stem
        else {}
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    print(f'{path.stem}: {millions:.0f} M parameters, peak {peak:.2f} GB')


@pytest.mark.parametrize(
    'path', with_marks(p for p in PAIRS if '_r18_' not in p.stem)
)
def test_the_derived_stage_1_needs_no_labels(path):
    cfg = read(path)
    small_images(cfg.model)
    tuning = tuning_config(cfg, set_prompt_ckpt(cfg))
    assert tuning.model.task_loss is False
    assert tuning.val_evaluator.type == 'mmfreekd.EmbeddingError'
    model, losses = step(tuning, 'architecture')
    assert {'loss_reconstruction', 'loss_dissimilarity'} <= losses.keys()
    (sample, _) = model.eval().val_step(batch(tuning))
    assert sample.embedding_mse > 0


@pytest.mark.parametrize('path', SHAPES, ids=lambda path: path.stem)
def test_the_small_models_can_be_built(path):
    cfg = read(path)
    init_default_scope(cfg.default_scope)
    models = [cfg.model]
    prompts = set_prompt_ckpt(cfg) if 'distiller' in cfg.model else None
    assert (prompts is not None) == path.stem.startswith('freekd')
    if prompts is not None:
        models.append(tuning_config(cfg, prompts).model)
        prompts.owner.prompt_ckpt = None
    for model in models:
        if 'teacher_ckpt' in model:
            model.teacher_ckpt = None
        mmfreekd.registry.MODELS.build(model)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_plain_images_in_nested_folders_are_read(split, tmp_path):
    path = tmp_path / split / 'a' / 'image.png'
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), np.full((30, 60, 3), 255, np.uint8))
    cfg = Config.fromfile(CONFIGS / '_base_/foundation/images_1024.py')
    init_default_scope('mmdet')
    dataset = cfg[f'{split}_dataloader'].dataset
    (sample,) = DATASETS.build({**dataset, 'data_root': str(tmp_path)})
    data = mmfreekd.registry.MODELS.build(cfg.data_preprocessor)(
        dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
    )
    assert data['inputs'].shape == (1, 3, 1024, 1024)
    assert (data['inputs'][..., :512, :] > 2).all()
    assert (data['inputs'][..., 512:, :] == 0).all()


def test_a_published_student_embeds_an_image_as_the_readme_writes_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    readme = (CONFIGS / 'foundation/README.md').read_text()
    (code,) = re.findall(r'```python\n(.*?)```', readme, re.S)
    model = dict(
        type='mmfreekd.ImageEncoder',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor',
            mean=[100.0, 110.0, 120.0],
            std=[50.0, 60.0, 70.0],
            bgr_to_rgb=True,
            pad_size_divisor=64,
        ),
        backbone=dict(
            type='mmfreekd.SamEncoder',
            image_size=64,
            arch=dict(hidden_size=8, num_attention_heads=1)
            | dict(num_hidden_layers=2, global_attn_indexes=[1]),
        ),
    )
    Path('published').mkdir()
    Config(dict(model=model)).dump('published/student.py')
    student = build_model(model, 'student').eval()
    torch.save(student.state_dict(), 'published/student-0123abcd.pth')
    image = np.random.randint(0, 256, (48, 64, 3), np.uint8)
    cv2.imwrite('image.png', image)
    found = {}
    exec(code.replace('image.jpg', 'image.png'), found)
    rgb = image[..., ::-1].transpose(2, 0, 1).astype(np.float32)
    mean, std = (
        np.reshape(model['data_preprocessor'][key], (3, 1, 1))
        for key in ('mean', 'std')
    )
    padded = np.zeros((1, 3, 64, 64), np.float32)
    padded[0, :, :48] = (rgb - mean) / std
    with torch.no_grad():
        expected = student(torch.from_numpy(padded))
    torch.testing.assert_close(found['embedding'], expected)
