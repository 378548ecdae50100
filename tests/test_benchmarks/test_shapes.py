"""The drawn data sets: exact, stable, never over other people's files."""

import hashlib
import json
import re

import cv2
import numpy as np
import pytest

from benchmarks.shapes import plain, textured
from benchmarks.shapes.__main__ import main
from benchmarks.shapes.dataset import make
from benchmarks.shapes.outlines import clip_outline
from benchmarks.shapes.recipe import Recipe
from benchmarks.shapes.scenes import SCENES
from benchmarks.shapes.writers import annotate

STYLES = ('coco', 'cityscapes')
SPLITS = dict(train=24, val=16, test=33)
# in Cityscapes format, two images per split, 30 corrupted test images
PIXELS = dict(
    plain='233c50e4fe0240ed0dd839d393394d9ae8370190799d3a631b3df09aa57143d5',
    textured='361f852743614d1825d834e2e95eb5c19a47a7935ea039c1bf69cdc6f8ca1c18',
)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """A textured data set in each format, with a corrupted test split."""
    recipe = Recipe(
        24, 16, (64, 64), scene='textured', num_test=33, corrupt=True
    )
    made = {style: tmp_path_factory.mktemp(style) for style in STYLES}
    for style, folder in made.items():
        assert make(style, folder, recipe)
    return made


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def read_coco(folder, name):
    path = folder / 'annotations' / f'instances_{name}.json'
    return json.loads(path.read_text())


@pytest.mark.parametrize('scene', PIXELS)
def test_pixels_and_labels_stay_as_the_results_know_them(scene, tmp_path):
    test = dict(num_test=30, corrupt=True) if scene == 'textured' else {}
    recipe = Recipe(2, 2, (64, 64), 3, scene=scene, **test)
    make('cityscapes', tmp_path, recipe)
    pixels = hashlib.sha256()
    for path in sorted(tmp_path.rglob('*.png')):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        pixels.update(picture.tobytes())
    assert pixels.hexdigest() == PIXELS[scene]
    meta = json.loads((tmp_path / 'meta.json').read_text())
    assert meta['version'] == SCENES[scene].version
    assert meta['generator'] == 'make_shapes'


@pytest.mark.parametrize('style', STYLES)
def test_fewer_images_and_splits_are_a_part_of_more(folders, style, tmp_path):
    make(style, tmp_path, Recipe(3, 2, (64, 64), scene='textured'))
    few, many = contents(tmp_path), contents(folders[style])
    images = [p for p in few if p.endswith(('.jpg', '.png'))]
    assert len(images) == (5 if style == 'coco' else 10)
    assert all(few[path] == many[path] for path in images)


@pytest.mark.parametrize('style', STYLES)
def test_no_two_images_are_alike(folders, style):
    images = [
        data
        for path, data in contents(folders[style]).items()
        if path.endswith(('.jpg', 'leftImg8bit.png'))
    ]
    assert len({*images}) == len(images) == sum(SPLITS.values()) + 33


@pytest.mark.parametrize('scene', [plain, textured])
def test_bbox_and_area_are_those_of_the_visible_mask(scene):
    kinds = [*SCENES[scene.__name__.split('.')[-1]].coco]
    ids = {kind: i for i, kind in enumerate(kinds)}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, instances = scene.render(rng, (96, 64), kinds, (3, 9))
        assert np.stack([i.mask for i in instances]).sum(0).max() == 1
        found = list(annotate(instances, (96, 64), ids))
        assert found
        visible = [
            (int(i.mask.sum()), cv2.boundingRect(i.mask.astype(np.uint8)))
            for i in instances
        ]
        for annotation in found:
            assert (annotation['area'], tuple(annotation['bbox'])) in visible


def test_clipping_keeps_the_area_inside():
    square = np.array([[-10.0, -10], [30, -10], [30, 30], [-10, 30]])
    inside = clip_outline(square, (20, 40))
    assert cv2.contourArea(inside.astype(np.float32)) == 20 * 30
    assert clip_outline(square + 100, (20, 40)).shape == (0, 2)


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
    for image in images:
        pair = [
            cv2.imread(str(coco / f'test2017{end}' / image['file_name']))
            for end in ('', '_corrupted')
        ]
        assert np.abs(pair[0].astype(int) - pair[1]).mean() > 1


@pytest.mark.parametrize('split', SPLITS)
def test_the_stock_data_sets_read_it(folders, split):
    mmdet = pytest.importorskip('mmdet.datasets', exc_type=ImportError)
    mmseg = pytest.importorskip('mmseg.datasets', exc_type=ImportError)
    scene = SCENES['textured']
    detection = mmdet.CocoDataset(
        data_root=str(folders['coco']),
        ann_file=f'annotations/instances_{split}2017.json',
        data_prefix=dict(img=f'{split}2017/'),
        metainfo=dict(classes=tuple(scene.coco)),
        pipeline=[],
    )
    infos = [detection.get_data_info(i) for i in range(SPLITS[split])]
    labels = {x['bbox_label'] for info in infos for x in info['instances']}
    assert labels == set(range(8))
    segmentation = mmseg.CityscapesDataset(
        data_root=str(folders['cityscapes']),
        data_prefix=dict(
            img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}'
        ),
        metainfo=dict(classes=tuple(scene.cityscapes)),
        pipeline=[
            dict(type='mmseg.LoadImageFromFile'),
            dict(type='mmseg.LoadAnnotations'),
        ],
    )
    assert len(segmentation) == SPLITS[split]
    maps = np.stack([sample['gt_seg_map'] for sample in segmentation])
    assert set(np.unique(maps).tolist()) == set(range(8))


def test_second_run_does_nothing_and_other_arguments_need_force(
    tmp_path, capsys
):
    out, small = tmp_path / 'out', Recipe(2, 2)
    make('coco', out, Recipe(4, 2))
    assert not make('coco', out, Recipe(4, 2))
    assert 'nothing to do' in capsys.readouterr().out
    before = contents(out)
    with pytest.raises(FileExistsError, match=r'num_train=4 \(now 2\).*--for'):
        make('coco', out, small)
    with pytest.raises(FileExistsError, match=r'format=coco \(now citys'):
        make('cityscapes', out, Recipe(4, 2))
    assert contents(out) == before
    assert make('coco', out, small, force=True)
    make('coco', tmp_path / 'fresh', small)
    assert contents(out) == contents(tmp_path / 'fresh')


@pytest.mark.parametrize('force', [False, True])
def test_files_of_others_are_never_replaced(tmp_path, force):
    precious = tmp_path / 'train2017' / '000000000009.jpg'
    precious.parent.mkdir()
    precious.write_bytes(b'real COCO')
    with pytest.raises(FileExistsError, match='new or empty folder'):
        make('coco', tmp_path, Recipe(2, 2), force)
    assert precious.read_bytes() == b'real COCO'


def test_interrupted_run_starts_again(tmp_path, monkeypatch):
    out, small = tmp_path / 'out', Recipe(4, 2)
    with monkeypatch.context() as patch:
        patch.setattr(cv2, 'imwrite', lambda path, image: False)
        with pytest.raises(OSError, match='could not write .*disk full'):
            make('coco', out, small)
    assert not (out / 'meta.json').exists()
    assert make('coco', out, small)
    make('coco', tmp_path / 'fresh', small)
    assert contents(out) == contents(tmp_path / 'fresh')


@pytest.mark.parametrize(
    'arguments, message',
    [
        ('--size 16 128', r'size .* 32 or more each, got \(16, 128\)'),
        ('--objects 5 2', r'objects must be 1 <= MIN <= MAX, got \(5, 2\)'),
        ('--num-train 0', 'num_train must be 1 or more, got 0'),
        ('--noise -1', r'noise must be 0 or more, got -1'),
        ('--corrupt', 'num_test must be 1 to corrupt, got 0'),
        ('--scene real', "invalid choice: 'real'"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(
    arguments, message, tmp_path, capsys
):
    with pytest.raises(SystemExit):
        main(['coco', str(tmp_path / 'out'), *arguments.split()])
    err = capsys.readouterr().err
    assert re.search(message, err), err
    assert not (tmp_path / 'out').exists()


def test_command_line_reaches_the_recipe(tmp_path):
    line = '--scene textured --num-train 2 --num-val 2 --num-test 3 --corrupt'
    line += ' --size 64 48 --seed 2 --objects 1 2 --noise 3.5'
    main(['cityscapes', str(tmp_path / 'a'), *line.split()])
    recipe = Recipe(
        2, 2, (64, 48), 2, (1, 2), 3.5, 'textured', num_test=3, corrupt=True
    )
    make('cityscapes', tmp_path / 'b', recipe)
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')
