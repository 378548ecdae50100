"""Textured scenes, the test split and its corrupted copy."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

TOOL_DIR = Path(__file__).resolve().parents[2] / 'tools' / 'data'
SIZE = (64, 64)
SPLITS = dict(train=60, val=30, test=33)


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(TOOL_DIR))
    try:
        import make_shapes
        import textured_renderer
        import textures
    finally:
        sys.path.remove(str(TOOL_DIR))
    return SimpleNamespace(
        make=dict(
            coco=make_shapes.make_coco, cityscapes=make_shapes.make_cityscapes
        ),
        Recipe=make_shapes.Recipe,
        main=make_shapes.main,
        scene=make_shapes.SCENES['textured'],
        renderer=textured_renderer,
        draw_texture=textures.draw_texture,
        textures=tuple(textures.TEXTURES),
    )


@pytest.fixture(scope='module')
def recipe(tool):
    return tool.Recipe(
        *(SPLITS['train'], SPLITS['val'], SIZE),
        scene='textured',
        num_test=SPLITS['test'],
        corrupt=True,
    )


@pytest.fixture(scope='module')
def folders(tool, recipe, tmp_path_factory):
    made = {}
    for style, make in tool.make.items():
        made[style] = tmp_path_factory.mktemp(style)
        assert make(made[style], recipe)
    return made


@pytest.fixture(scope='module')
def scenes(tool):
    """Rendered images with their instances, of all kinds."""
    return [
        tool.renderer.render(
            np.random.default_rng(seed), SIZE, tool.renderer.KINDS
        )
        for seed in range(150)
    ]


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def pictures(folder, split):
    """Map the file names of a split's images to their bytes."""
    parents = folder / f'{split}2017', folder / 'leftImg8bit' / split
    if split.endswith('_corrupted'):
        start = split.split('_')[0]
        parents = folder / f'{start}2017_corrupted', parents[1]
    return {
        path.name: path.read_bytes()
        for parent in parents
        for path in parent.rglob('*.*')
    }


def read_coco(folder, name):
    path = folder / 'annotations' / f'instances_{name}.json'
    return json.loads(path.read_text())


@pytest.mark.parametrize('style', ['coco', 'cityscapes'])
def test_same_recipe_gives_the_same_bytes(
    tool, recipe, folders, style, tmp_path
):
    tool.make[style](tmp_path, recipe)
    assert contents(tmp_path) == contents(folders[style])


@pytest.mark.parametrize('style', ['coco', 'cityscapes'])
def test_splits_have_their_numbers_and_share_no_image(folders, style):
    found = {name: pictures(folders[style], name) for name in SPLITS}
    assert {name: len(files) for name, files in found.items()} == SPLITS
    images = {data for files in found.values() for data in files.values()}
    assert len(images) == sum(SPLITS.values())
    names = {name for files in found.values() for name in files}
    assert len(names) == sum(SPLITS.values())


@pytest.mark.parametrize('style', ['coco', 'cityscapes'])
def test_a_test_split_changes_nothing_else(tool, folders, style, tmp_path):
    smaller = tool.Recipe(
        SPLITS['train'], SPLITS['val'], SIZE, scene='textured'
    )
    tool.make[style](tmp_path, smaller)
    without, whole = contents(tmp_path), contents(folders[style])
    assert not any('test' in path for path in without)
    assert without.pop('meta.json') != whole['meta.json']
    assert without.items() <= whole.items()


def test_every_class_appears_in_every_split(tool, folders):
    for name in SPLITS:
        content = read_coco(folders['coco'], f'{name}2017')
        named = {c['name']: c['id'] for c in content['categories']}
        assert named == tool.scene.coco and len(named) == 8
        drawn = {a['category_id'] for a in content['annotations']}
        assert drawn == set(named.values())
        labels = (folders['cityscapes'] / 'gtFine' / name).rglob('*.png')
        seen = set()
        for path in labels:
            label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert label.shape == SIZE and label.dtype == np.uint8
            seen |= set(np.unique(label).tolist())
        assert seen == {i for i, _ in tool.scene.cityscapes.values()}
        assert len(seen) == 8


def test_masks_do_not_overlap_and_much_is_covered(tool, scenes):
    covered = total = 0
    for _, instances in scenes:
        assert 4 <= len(instances) <= 8
        masks = np.stack([instance.mask for instance in instances])
        assert masks.sum(0).max() == 1
        for instance in instances:
            whole = tool.renderer.draw_coverage(instance.outline, SIZE) >= 0.5
            assert not (instance.mask & ~whole).any()
            covered += instance.mask.sum() < 0.9 * whole.sum()
            total += 1
    assert 0.2 < covered / total < 0.6


def test_sizes_span_from_a_fifth_to_two_thirds_of_the_image(scenes):
    boxes = np.array(
        [
            np.ptp(instance.outline, axis=0).max()
            for _, instances in scenes
            for instance in instances
        ]
    )
    assert 8 < boxes.min() < 13
    assert 36 < boxes.max() < 46
    assert (boxes < 18).mean() > 0.15 and (boxes > 28).mean() > 0.15


@pytest.mark.parametrize('kind', ['cross', 'frame', 'bar'])
@pytest.mark.parametrize('diameter', [9, 20, 35])
def test_thin_shapes_are_2_to_3_pixels_wide(tool, kind, diameter):
    for seed in range(20):
        outline = tool.renderer.thin_outline(
            np.random.default_rng(seed), kind, diameter
        )
        outline = outline * diameter / 2 + 40
        coverage = tool.renderer.draw_coverage(outline, (80, 80))
        mask = (coverage >= 0.5).astype(np.uint8)
        # a pixel in the middle of a band of 3 is 2 away from the outside
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
        assert 1 <= depth.max() <= 2.9
        assert mask.sum() >= 1.8 * diameter


def mean_colours(scenes, kinds):
    colours, labels = [], []
    for image, instances in scenes:
        for instance in instances:
            if instance.mask.sum() >= 16 and instance.shape in kinds:
                colours.append(image[instance.mask].mean(0))
                labels.append(kinds.index(instance.shape))
    return np.array(colours), np.array(labels)


def test_mean_colour_is_a_hint_to_the_class_and_no_more(tool, scenes):
    kinds = list(tool.scene.coco)
    colours, labels = mean_colours(scenes, kinds)
    known = np.arange(len(labels)) < len(labels) // 2
    centres = np.stack(
        [colours[known & (labels == i)].mean(0) for i in range(len(kinds))]
    )
    distance = np.linalg.norm(colours[~known, None] - centres, axis=2)
    right = (distance.argmin(1) == labels[~known]).mean()
    assert len(labels) > 500
    assert 2 / len(kinds) < right < 4 / len(kinds)


def spectrum(tool, kind, seed):
    """Describe a texture: its rotation-averaged power, by direction too."""
    square = np.array([[0, 0], [32, 0], [32, 32], [0, 32.0]])
    rng = np.random.default_rng((tool.textures.index(kind), seed))
    texture = tool.draw_texture(rng, kind, square, (32, 32))
    assert texture.shape == (32, 32) and np.abs(texture).max() <= 1
    power = np.abs(np.fft.fft2(texture - texture.mean())) ** 2
    power = np.sort(power.ravel())[::-1] / power.sum()
    return np.cumsum(power)[[1, 3, 7, 15, 31, 63]]


def test_texture_tells_the_class_whatever_its_angle_and_period(tool):
    """Even a few numbers from the spectrum are well above chance."""
    known, asked = (
        np.stack(
            [[spectrum(tool, k, s) for s in seeds] for k in tool.textures]
        )
        for seeds in (range(40), range(40, 60))
    )
    centres = known.mean(1)
    distance = np.linalg.norm(asked[:, :, None] - centres, axis=3)
    right = distance.argmin(2) == np.arange(len(tool.textures))[:, None]
    assert right.mean() > 3 / len(tool.textures)


def test_textures_are_finer_than_the_background(tool):
    """Within a texture neighbouring pixels differ as much as far ones."""
    square = np.array([[0, 0], [32, 0], [32, 32], [0, 32.0]])
    for kind in tool.textures:
        rng = np.random.default_rng(0)
        texture = tool.draw_texture(rng, kind, square, (32, 32))
        assert texture.std() > 0.5
        steps = np.abs(np.diff(texture, axis=0)).mean()
        assert steps > 0.2, kind


def test_one_texture_has_many_looks(tool):
    square = np.array([[0, 0], [32, 0], [32, 32], [0, 32.0]])
    for kind in tool.textures:
        looks = {
            tool.draw_texture(
                np.random.default_rng(seed), kind, square, (32, 32)
            ).tobytes()
            for seed in range(10)
        }
        assert len(looks) == 10


@pytest.mark.parametrize('style', ['coco', 'cityscapes'])
def test_every_test_image_has_one_corrupted_copy(folders, style):
    clean = pictures(folders[style], 'test')
    other = pictures(folders[style], 'test_corrupted')
    assert clean.keys() == other.keys() and len(clean) == SPLITS['test']
    for name, data in clean.items():
        before, after = (
            cv2.imdecode(np.frombuffer(x, np.uint8), cv2.IMREAD_COLOR)
            for x in (data, other[name])
        )
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after).mean() > 1


def test_corrupted_copies_keep_the_labels(folders):
    coco, city = folders['coco'], folders['cityscapes']
    clean, other = (
        read_coco(coco, f'test2017{end}') for end in ('', '_corrupted')
    )
    images = other.pop('images')
    kinds = [(x.pop('corruption'), x.pop('severity')) for x in images]
    assert images == clean.pop('images')
    assert other == clean
    assert len(set(kinds)) == 30  # ten kinds at three severities
    before, after = (
        contents(city / 'gtFine' / name) for name in ('test', 'test_corrupted')
    )
    assert before == after and len(before) == SPLITS['test']


def test_command_line_reaches_the_recipe(tool, tmp_path):
    line = '--scene textured --num-train 2 --num-val 2 --num-test 3 --corrupt'
    line = f'{line} --size 64 48 --seed 2'.split()
    tool.main(['cityscapes', str(tmp_path / 'a'), *line])
    recipe = tool.Recipe(
        2, 2, (64, 48), 2, (4, 8), 6, 'textured', num_test=3, corrupt=True
    )
    tool.make['cityscapes'](tmp_path / 'b', recipe)
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')


def test_other_scene_needs_force(tool, tmp_path):
    tool.make['coco'](tmp_path, tool.Recipe(2, 2, scene='textured'))
    before = contents(tmp_path)
    with pytest.raises(
        FileExistsError, match=r'scene=textured \(now plain\).*--force'
    ):
        tool.make['coco'](tmp_path, tool.Recipe(2, 2))
    assert contents(tmp_path) == before
    tool.make['coco'](tmp_path, tool.Recipe(2, 2, num_test=2), force=True)
    with pytest.raises(FileExistsError, match=r'num_test=2 \(now 0\)'):
        tool.make['coco'](tmp_path, tool.Recipe(2, 2))
    tool.make['coco'](tmp_path, tool.Recipe(2, 2), force=True)
    assert not (tmp_path / 'test2017').exists()


def test_stock_coco_dataset_reads_it(tool, folders):
    mmdet = pytest.importorskip('mmdet.datasets', exc_type=ImportError)
    classes = tuple(tool.scene.coco)
    for end in ('', '_corrupted'):
        dataset = mmdet.CocoDataset(
            data_root=str(folders['coco']),
            ann_file=f'annotations/instances_test2017{end}.json',
            data_prefix=dict(img=f'test2017{end}/'),
            metainfo=dict(classes=classes),
            test_mode=True,
            pipeline=[],
        )
        assert len(dataset) == SPLITS['test']
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        labels = {x['bbox_label'] for info in infos for x in info['instances']}
        assert labels == set(range(8))
        assert all(Path(info['img_path']).is_file() for info in infos)


def test_stock_cityscapes_dataset_reads_it(tool, folders):
    mmseg = pytest.importorskip('mmseg.datasets', exc_type=ImportError)
    for name in ('test', 'test_corrupted'):
        dataset = mmseg.CityscapesDataset(
            data_root=str(folders['cityscapes']),
            data_prefix=dict(
                img_path=f'leftImg8bit/{name}', seg_map_path=f'gtFine/{name}'
            ),
            metainfo=dict(classes=tuple(tool.scene.cityscapes)),
            pipeline=[
                dict(type='mmseg.LoadImageFromFile'),
                dict(type='mmseg.LoadAnnotations'),
            ],
        )
        assert len(dataset) == SPLITS['test']
        labels = np.stack([sample['gt_seg_map'] for sample in dataset])
        assert set(np.unique(labels).tolist()) == set(range(8))
