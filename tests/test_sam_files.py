"""SAM's image encoder under the names of its authors, and back."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mmfreekd.errors import CheckpointError
from mmfreekd.models import ImageEncoder
from mmfreekd.sam_files import beside, convert, encoder_keys, layout_of

ROOT = Path(__file__).parents[1]
transformers = pytest.importorskip('transformers')
TINY = dict(
    hidden_size=16,
    num_attention_heads=2,
    num_hidden_layers=3,
    global_attn_indexes=[1],
    window_size=3,
)
SIZE = 64
LAYOUTS = ['official', 'transformers', 'mmfreekd']


def official_encoder(
    width=16, heads=2, depth=3, global_at=(1,), window=3, size=4, out=256
):
    """Names and shapes as ``ImageEncoderViT`` of segment-anything has them.

    Written from its documentation, not from this project's tables.
    """
    shapes = {
        'pos_embed': (1, size, size, width),
        'patch_embed.proj.weight': (width, 3, 16, 16),
        'patch_embed.proj.bias': (width,),
        'neck.0.weight': (out, width, 1, 1),
        'neck.1.weight': (out,),
        'neck.1.bias': (out,),
        'neck.2.weight': (out, out, 3, 3),
        'neck.3.weight': (out,),
        'neck.3.bias': (out,),
    }
    for i in range(depth):
        side = size if i in global_at else window
        block = {
            'norm1.weight': (width,),
            'norm1.bias': (width,),
            'attn.rel_pos_h': (2 * side - 1, width // heads),
            'attn.rel_pos_w': (2 * side - 1, width // heads),
            'attn.qkv.weight': (3 * width, width),
            'attn.qkv.bias': (3 * width,),
            'attn.proj.weight': (width, width),
            'attn.proj.bias': (width,),
            'norm2.weight': (width,),
            'norm2.bias': (width,),
            'mlp.lin1.weight': (4 * width, width),
            'mlp.lin1.bias': (4 * width,),
            'mlp.lin2.weight': (width, 4 * width),
            'mlp.lin2.bias': (width,),
        }
        shapes |= {f'blocks.{i}.{k}': v for k, v in block.items()}
    return {f'image_encoder.{k}': torch.randn(v) for k, v in shapes.items()}


def official_sam(**encoder):
    """An official SAM, as far as a converter can tell."""
    rest = {
        'prompt_encoder.pe_layer.positional_encoding_gaussian_matrix': (
            2,
            128,
        ),
        'prompt_encoder.point_embeddings.0.weight': (1, 256),
        'prompt_encoder.no_mask_embed.weight': (1, 256),
        'mask_decoder.iou_token.weight': (1, 256),
        'mask_decoder.output_upscaling.0.weight': (256, 64, 2, 2),
    }
    return official_encoder(**encoder) | {
        k: torch.randn(v) for k, v in rest.items()
    }


def wrapper(arch=TINY, size=SIZE):
    return ImageEncoder(
        dict(type='mmfreekd.SamEncoder', arch=arch, image_size=size)
    )


def same(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert_close(value, b[key], rtol=0, atol=0)


def in_layout(layout):
    weights = official_encoder()
    return convert(weights, 'official', layout)


@pytest.mark.parametrize('source', LAYOUTS)
@pytest.mark.parametrize('target', LAYOUTS)
def test_there_and_back_nothing_is_lost(source, target):
    weights = in_layout(source)
    assert layout_of(weights, 'IN') == source
    there = convert(weights, source, target)
    assert layout_of(there, 'IN') == target
    same(convert(there, target, source), weights)


def test_official_weights_fill_the_wrapper():
    weights = official_sam()
    model = wrapper()
    model.load_state_dict(convert(weights, 'official', 'mmfreekd'))
    vit = model.backbone.model.vision_encoder
    assert_close(
        vit.layers[2].layer_norm1.weight,
        weights['image_encoder.blocks.2.norm1.weight'],
    )
    assert_close(
        vit.neck.layer_norm2.bias, weights['image_encoder.neck.3.bias']
    )


@pytest.mark.parametrize(
    'arch, width, heads, depth, global_at',
    [
        ('b', 768, 12, 12, (2, 5, 8, 11)),
        ('l', 1024, 16, 24, (5, 11, 17, 23)),
        ('h', 1280, 16, 32, (7, 15, 23, 31)),
    ],
)
def test_the_released_sizes_have_the_official_shapes(
    arch, width, heads, depth, global_at
):
    with torch.device('meta'):
        weights = official_encoder(width, heads, depth, global_at, 14, 64)
        own = wrapper(arch, 1024).state_dict()
    converted = convert(weights, 'official', 'mmfreekd')
    assert {k: v.shape for k, v in converted.items()} == {
        k: v.shape for k, v in own.items()
    }


def test_a_student_stands_beside_the_rest_of_an_official_sam():
    student = wrapper(dict(TINY, hidden_size=8, num_hidden_layers=2))
    sam = official_sam()
    encoder = convert(student.state_dict(), 'mmfreekd', 'official')
    whole = beside(encoder, sam, 'official', 'SAM')
    rest = {k: v for k, v in sam.items() if 'image_encoder' not in k}
    same({k: v for k, v in whole.items() if 'image_encoder' not in k}, rest)
    expected = official_encoder(width=8, depth=2)
    assert {k: v.shape for k, v in whole.items() if k not in rest} == {
        k: v.shape for k, v in expected.items()
    }


def hf_sam():
    """A small SAM of transformers."""
    config = transformers.SamConfig(
        vision_config=transformers.SamVisionConfig(**TINY, image_size=SIZE),
        prompt_encoder_config=transformers.SamPromptEncoderConfig(
            image_size=SIZE, image_embedding_size=SIZE // 16
        ),
    )
    return transformers.SamModel(config).eval()


def test_a_student_runs_with_the_decoder_of_a_sam_of_transformers():
    """Its weights in a SamModel of its size give the student's embedding."""
    teacher = hf_sam()
    arch = dict(TINY, hidden_size=8)
    student = wrapper(arch).eval()
    vision = transformers.SamVisionConfig(**arch, image_size=SIZE)
    config = transformers.SamConfig(
        vision_config=vision,
        prompt_encoder_config=teacher.config.prompt_encoder_config,
    )
    whole = transformers.SamModel(config).eval()
    encoder = convert(student.state_dict(), 'mmfreekd', 'transformers')
    weights = beside(encoder, teacher.state_dict(), 'transformers', 'SAM')
    whole.load_state_dict(weights)
    images = torch.randn(1, 3, SIZE, SIZE)
    points = torch.tensor([[[[20.0, 30.0]]]])
    with torch.no_grad():
        assert_close(whole.get_image_embeddings(images), student(images))
        masks = whole(pixel_values=images, input_points=points).pred_masks
    assert masks.shape == (1, 1, 3, SIZE // 4, SIZE // 4)


def test_any_student_hands_its_embedding_to_the_decoder():
    """What a ResNet does, whose weights no SAM holds."""
    sam = hf_sam()
    embedding = torch.randn(1, 256, SIZE // 16, SIZE // 16)
    with torch.no_grad():
        masks = sam(
            image_embeddings=embedding,
            input_points=torch.tensor([[[[20.0, 30.0]]]]),
        ).pred_masks
    assert masks.shape == (1, 1, 3, SIZE // 4, SIZE // 4)


def test_an_unknown_layout_is_refused_with_the_keys_that_are_expected():
    with pytest.raises(CheckpointError) as raised:
        layout_of({'backbone.layer1.0.conv1.weight': torch.zeros(1)}, 'IN')
    said = str(raised.value)
    for layout in LAYOUTS:
        for key in encoder_keys(layout, 1):
            assert f' {key}\n' in said
    assert 'backbone.layer1.0.conv1.weight' in said


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_key_too_few_or_too_many_is_named(layout):
    weights = in_layout(layout)
    gone = next(k for k in weights if k.endswith('lin2.bias'))
    del weights[gone]
    weights[f'{gone}_scale'] = torch.zeros(1)
    with pytest.raises(CheckpointError) as raised:
        layout_of(weights, 'IN')
    expected, left_over = str(raised.value).split('left over')
    assert gone in expected and f'{gone}_scale' in left_over


def test_one_key_too_many_is_enough_to_refuse():
    weights = official_encoder() | {'image_encoder.adapter': torch.zeros(1)}
    with pytest.raises(CheckpointError, match='left over'):
        layout_of(weights, 'IN')


def test_an_encoder_alone_is_no_place_beside_which_to_stand():
    with pytest.raises(CheckpointError, match='prompt_encoder'):
        beside(official_encoder(), official_encoder(), 'official', 'SAM')


def test_an_embedding_that_the_decoder_does_not_take_is_refused():
    encoder = official_encoder(out=64)
    with pytest.raises(CheckpointError, match='64 channels, but SAM takes'):
        beside(encoder, official_sam(), 'official', 'SAM')


def test_an_embedding_of_another_size_is_refused():
    encoder = official_encoder(size=8)
    with pytest.raises(CheckpointError, match=r'\(8, 8\).*takes \(4, 4\)'):
        beside(encoder, official_sam(), 'official', 'SAM')


def tool(*args):
    done = subprocess.run(
        [sys.executable, 'tools/model_converters/sam_encoder.py', *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_tool_goes_there_and_back(tmp_path):
    sam = official_sam()
    torch.save(sam, tmp_path / 'sam.pth')
    files = [str(tmp_path / n) for n in ('sam.pth', 'own.pth', 'back.pth')]
    code, said = tool(files[0], files[1])
    assert code == 0, said
    wrapper().load_state_dict(torch.load(files[1])['state_dict'])
    code, said = tool(files[1], files[2], '--beside', files[0])
    assert code == 0, said
    same(torch.load(files[2]), sam)
    code, said = tool(files[0], files[2])
    assert code == 2 and '--force' in said
    code, said = tool(files[0], str(tmp_path / 'out.safetensors'))
    assert code == 2 and '.pth' in said


@pytest.mark.slow
def test_the_tool_takes_the_student_out_of_a_distillation(tmp_path):
    student = wrapper().state_dict()
    files = [str(tmp_path / n) for n in ('iter_2.pth', 'out.pth')]
    distillation = {f'architecture.{k}': v for k, v in student.items()}
    distillation['distiller.connectors.x.weight'] = torch.zeros(1)
    torch.save(dict(meta={}, state_dict=distillation), files[0])
    code, said = tool(*files)
    assert code == 0, said
    same(torch.load(files[1])['state_dict'], student)
