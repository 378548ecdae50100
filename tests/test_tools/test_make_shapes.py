"""The small-data generator: what it writes is exact, stable and stock."""

import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

TOOL_DIR = Path(__file__).resolve().parents[2] / 'tools' / 'data'
TRAIN_IDS = {0, 2, 5, 6, 7, 13}


@pytest.fixture(scope='module')
def shapes():
    """The tool, with what it imports that is tested here."""
    sys.path.insert(0, str(TOOL_DIR))
    try:
        import make_shapes
        import shape_outlines
        import shape_renderer
        import shape_writers
    finally:
        sys.path.remove(str(TOOL_DIR))
    return SimpleNamespace(
        Recipe=make_shapes.Recipe,
        make_coco=make_shapes.make_coco,
        make_cityscapes=make_shapes.make_cityscapes,
        main=make_shapes.main,
        coco=make_shapes.SCENES['plain'].coco,
        cityscapes=make_shapes.SCENES['plain'].cityscapes,
        clip_outline=shape_outlines.clip_outline,
        render=shape_renderer.render,
        annotate=shape_writers.annotate,
    )


@pytest.fixture(scope='module')
def recipe(shapes):
    return shapes.Recipe(num_train=24, num_val=16, size=(96, 64))


@pytest.fixture(scope='module')
def coco_dir(shapes, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp('coco')
    assert shapes.make_coco(out, recipe)
    return out


@pytest.fixture(scope='module')
def city_dir(shapes, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp('city')
    assert shapes.make_cityscapes(out, recipe)
    return out


def digests(folder):
    """Map each file's path inside ``folder`` to the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def image_digests(folder, split):
    return {
        path: digest
        for path, digest in digests(folder).items()
        if split in path and path.endswith(('.jpg', 'leftImg8bit.png'))
    }


def read_coco(folder, split):
    path = folder / 'annotations' / f'instances_{split}2017.json'
    return json.loads(path.read_text())


def make(shapes, style):
    return getattr(shapes, f'make_{style}')


@pytest.mark.parametrize('style', ['coco', 'cityscapes'])
def test_same_recipe_gives_the_same_bytes(shapes, style, tmp_path):
    for name in 'ab':
        make(shapes, style)(tmp_path / name, shapes.Recipe(5, 3))
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')


@pytest.mark.parametrize('style', ['coco', 'cityscapes'])
def test_other_seed_gives_other_images(shapes, style, tmp_path):
    for seed in (0, 1):
        make(shapes, style)(
            tmp_path / str(seed), shapes.Recipe(4, 2, seed=seed)
        )
    first, second = (
        set(image_digests(tmp_path / name, '').values()) for name in '01'
    )
    assert len(first) == len(second) == 6
    assert not first & second


@pytest.mark.parametrize('name', ['coco_dir', 'city_dir'])
def test_no_two_images_are_alike(request, name):
    folder = request.getfixturevalue(name)
    train, val = (image_digests(folder, s) for s in ('train', 'val'))
    assert (len(train), len(val)) == (24, 16)
    assert len({*train.values(), *val.values()}) == 40


def test_image_does_not_depend_on_the_number_of_images(
    shapes, recipe, coco_dir, tmp_path
):
    shapes.make_coco(tmp_path, shapes.Recipe(3, 2, size=recipe.size))
    for split, count in (('train', 3), ('val', 2)):
        few = image_digests(tmp_path, split)
        many = image_digests(coco_dir, split)
        assert len(few) == count
        assert few.items() <= many.items()
        few, many = read_coco(tmp_path, split), read_coco(coco_dir, split)
        assert few['images'] == many['images'][:count]
        length = len(few['annotations'])
        assert few['annotations'] == many['annotations'][:length]


@pytest.mark.parametrize('size', [(128, 128), (96, 64), (33, 50)])
def test_bbox_and_area_are_those_of_the_visible_mask(shapes, size):
    ids = shapes.coco
    for seed in range(20):
        _, instances = shapes.render(
            np.random.default_rng(seed), size, list(ids), (3, 9)
        )
        visible = [
            i
            for i in instances
            if i.mask.sum() >= 16
            and i.mask.sum()
            >= 0.2 * cv2.contourArea(i.outline.astype(np.float32))
        ]
        annotations = list(shapes.annotate(instances, size, ids))
        assert len(annotations) == len(visible) > 0
        for found, (shape, mask, _) in zip(annotations, visible):
            rows, columns = np.nonzero(mask)
            assert found['bbox'] == [
                columns.min(),
                rows.min(),
                np.ptp(columns) + 1,
                np.ptp(rows) + 1,
            ]
            assert found['area'] == mask.sum()
            assert found['category_id'] == ids[shape]


def test_masks_do_not_overlap_and_later_shapes_lie_on_top(shapes):
    for seed in range(20):
        _, instances = shapes.render(
            np.random.default_rng(seed), (128, 128), ['circle'], (6, 6)
        )
        masks = np.stack([i.mask for i in instances])
        assert masks.sum(0).max() == 1
        top = instances[-1]
        inside = np.float32(shapes.clip_outline(top.outline, (128, 128)))
        assert top.mask.sum() == pytest.approx(
            cv2.contourArea(inside), abs=0.2 * cv2.arcLength(inside, True)
        )


def test_image_shows_the_masks(shapes):
    """Without noise every lone shape stands out from what is round it."""
    for seed in range(20):
        image, [instance] = shapes.render(
            np.random.default_rng(seed), (128, 128), ['circle'], (1, 1), 0
        )
        mask = instance.mask.astype(np.uint8)
        inner = cv2.erode(mask, np.ones((5, 5))) > 0
        outer = (cv2.dilate(mask, np.ones((9, 9))) > 0) & (
            cv2.dilate(mask, np.ones((5, 5))) == 0
        )
        step = image[inner].mean(0) - image[outer].mean(0)
        assert np.linalg.norm(step) > 60


def test_clipping_keeps_the_area_inside(shapes):
    square = np.array([[-10.0, -10], [30, -10], [30, 30], [-10, 30]])
    inside = shapes.clip_outline(square, (20, 40))
    assert cv2.contourArea(inside.astype(np.float32)) == 20 * 30
    assert inside.min() == 0 and (inside.max(0) == (20, 30)).all()
    assert shapes.clip_outline(square + 100, (20, 40)).shape == (0, 2)


def test_coco_file_is_complete_and_every_category_occurs(shapes, coco_dir):
    for split, count in (('train', 24), ('val', 16)):
        content = read_coco(coco_dir, split)
        assert {
            'info',
            'licenses',
            'images',
            'annotations',
            'categories',
        } == content.keys()
        assert len(content['images']) == count
        named = {c['name']: c['id'] for c in content['categories']}
        assert named == shapes.coco
        annotations = content['annotations']
        assert {a['category_id'] for a in annotations} == set(named.values())
        ids = [a['id'] for a in annotations]
        assert ids == list(range(1, len(ids) + 1))
        assert {a['image_id'] for a in annotations} == {
            i['id'] for i in content['images']
        }
        for entry in content['images']:
            path = coco_dir / f'{split}2017' / entry['file_name']
            assert cv2.imread(str(path)).shape == (64, 96, 3)
            assert (entry['width'], entry['height']) == (96, 64)


def test_pycocotools_agrees_where_nothing_overlaps(shapes, tmp_path):
    coco_api = pytest.importorskip('pycocotools.coco')
    shapes.make_coco(tmp_path, shapes.Recipe(60, 1, objects=(1, 1)))
    path = tmp_path / 'annotations' / 'instances_train2017.json'
    coco = coco_api.COCO(str(path))
    assert len(coco.anns) == 60
    assert {a['category_id'] for a in coco.anns.values()} == set(coco.cats)
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation).astype(np.int32)
        edge = cv2.arcLength(
            np.float32(annotation['segmentation'][0]).reshape(-1, 2), True
        )
        assert mask.sum() == pytest.approx(annotation['area'], abs=edge / 4)
        np.testing.assert_allclose(
            cv2.boundingRect(mask.astype(np.uint8)), annotation['bbox'], atol=2
        )


def test_labels_hold_the_allowed_ids_and_align(shapes, recipe, city_dir):
    seen = set()
    labels = sorted(city_dir.glob('gtFine/*/*/*_gtFine_labelTrainIds.png'))
    assert len(labels) == 40
    for path in labels:
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.dtype == np.uint8 and label.shape == (64, 96)
        seen |= set(np.unique(label).tolist())
        stem = path.name[: -len('_gtFine_labelTrainIds.png')]
        city = stem.split('_')[0]
        assert path.parent.name == city
        split = path.parent.parent.name
        image = (
            city_dir / 'leftImg8bit' / split / city / f'{stem}_leftImg8bit.png'
        )
        assert cv2.imread(str(image)).shape == (64, 96, 3)
    assert seen == TRAIN_IDS


def test_second_run_does_nothing(shapes, recipe, coco_dir, capsys):
    before = {p: p.stat().st_mtime_ns for p in coco_dir.rglob('*')}
    assert not shapes.make_coco(coco_dir, recipe)
    assert 'nothing to do' in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in coco_dir.rglob('*')}


def test_other_arguments_need_force(shapes, tmp_path):
    out, small = tmp_path / 'out', shapes.Recipe(2, 2)
    shapes.make_coco(out, shapes.Recipe(4, 2))
    before = digests(out)
    with pytest.raises(FileExistsError, match=r'num_train=4 \(now 2\).*--for'):
        shapes.make_coco(out, small)
    with pytest.raises(FileExistsError, match=r'format=coco \(now citys'):
        shapes.make_cityscapes(out, shapes.Recipe(4, 2))
    assert digests(out) == before
    assert shapes.make_coco(out, small, force=True)
    shapes.make_coco(tmp_path / 'fresh', small)
    assert digests(out) == digests(tmp_path / 'fresh')


@pytest.mark.parametrize('force', [False, True])
def test_files_of_others_are_never_replaced(shapes, tmp_path, force):
    precious = tmp_path / 'train2017' / '000000000009.jpg'
    precious.parent.mkdir()
    precious.write_bytes(b'real COCO')
    with pytest.raises(FileExistsError, match='new or empty folder'):
        shapes.make_coco(tmp_path, shapes.Recipe(2, 2), force)
    assert precious.read_bytes() == b'real COCO'


def test_interrupted_run_starts_again(shapes, tmp_path, monkeypatch):
    out, small = tmp_path / 'out', shapes.Recipe(4, 2)
    write, calls = cv2.imwrite, []

    def fails_at_third(path, image):
        calls.append(path)
        return len(calls) < 3 and write(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(cv2, 'imwrite', fails_at_third)
        with pytest.raises(OSError, match='could not write .*disk full'):
            shapes.make_coco(out, small)
    assert not (out / 'meta.json').exists()
    stale = out / 'train2017' / 'stale.jpg'
    stale.write_bytes(b'')
    assert shapes.make_coco(out, small)
    shapes.make_coco(tmp_path / 'fresh', small)
    assert digests(out) == digests(tmp_path / 'fresh')


@pytest.mark.parametrize(
    'arguments, message',
    [
        ('--size 16 128', r'size .* 32 or more each, got \(16, 128\)'),
        ('--objects 5 2', r'objects must be 1 <= MIN <= MAX, got \(5, 2\)'),
        ('--objects 0 2', r'objects must be 1 <= MIN <= MAX, got \(0, 2\)'),
        ('--num-train 0', 'num_train must be 1 or more, got 0'),
        ('--num-val -3', 'num_val must be 1 or more, got -3'),
        ('--noise -1', r'noise must be 0 or more, got -1'),
        ('--seed -1', 'seed must be 0 or more, got -1'),
        ('--num-test -1', 'num_test must be 0 or more, got -1'),
        ('--corrupt', 'corrupt needs num_test of 1 or more'),
        ('--scene real', "invalid choice: 'real'"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(
    shapes, arguments, message, tmp_path, capsys
):
    with pytest.raises(SystemExit):
        shapes.main(['coco', str(tmp_path / 'out'), *arguments.split()])
    err = capsys.readouterr().err
    assert re.search(message, err), err
    assert not (tmp_path / 'out').exists()


def test_unknown_scene_is_an_error(shapes):
    with pytest.raises(ValueError, match='scene must be one of plain, text'):
        shapes.Recipe(scene='real')


def test_plain_labels_and_pixels_stay_as_the_demo_knows_them(shapes, tmp_path):
    """Data sets of version 3 that exist must stay what would be made now."""
    shapes.make_cityscapes(tmp_path, shapes.Recipe(2, 2, (64, 64), 3))
    meta = json.loads((tmp_path / 'meta.json').read_text())
    assert meta == dict(
        generator='make_shapes',
        version=3,
        format='cityscapes',
        num_train=2,
        num_val=2,
        size=[64, 64],
        seed=3,
        objects=[2, 6],
        noise=12,
    )
    pixels = hashlib.sha256()
    for path in sorted(tmp_path.rglob('*.png')):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        pixels.update(picture.tobytes())
    assert pixels.hexdigest() == (
        '233c50e4fe0240ed0dd839d393394d9ae8370190799d3a631b3df09aa57143d5'
    )


def test_command_line_reaches_the_recipe(shapes, tmp_path):
    line = (
        '--num-train 3 --num-val 2 --size 64 48 --seed 5 --objects 1 2 '
        '--noise 3.5'
    ).split()
    shapes.main(['cityscapes', str(tmp_path / 'a'), *line])
    shapes.make_cityscapes(
        tmp_path / 'b', shapes.Recipe(3, 2, (64, 48), 5, (1, 2), 3.5)
    )
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')
    with pytest.raises(SystemExit, match='make_shapes: .*--force'):
        shapes.main(['coco', str(tmp_path / 'a'), *line])


@pytest.mark.parametrize('split, count', [('train', 24), ('val', 16)])
def test_stock_coco_dataset_reads_it(shapes, coco_dir, split, count):
    mmdet = pytest.importorskip('mmdet.datasets', exc_type=ImportError)
    classes = tuple(shapes.coco)
    dataset = mmdet.CocoDataset(
        data_root=str(coco_dir),
        ann_file=f'annotations/instances_{split}2017.json',
        data_prefix=dict(img=f'{split}2017/'),
        metainfo=dict(classes=classes),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=[],
    )
    assert len(dataset) == count
    assert dataset.metainfo['classes'] == classes
    infos = [dataset.get_data_info(i) for i in range(count)]
    labels = [x['bbox_label'] for info in infos for x in info['instances']]
    assert set(labels) == set(range(6))
    assert len(labels) == len(read_coco(coco_dir, split)['annotations'])
    assert all(Path(info['img_path']).is_file() for info in infos)


@pytest.mark.parametrize('split, count', [('train', 24), ('val', 16)])
def test_stock_cityscapes_dataset_reads_it(shapes, city_dir, split, count):
    mmseg = pytest.importorskip('mmseg.datasets', exc_type=ImportError)
    classes = tuple(shapes.cityscapes)
    dataset = mmseg.CityscapesDataset(
        data_root=str(city_dir),
        data_prefix=dict(
            img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}'
        ),
        metainfo=dict(classes=classes),
        pipeline=[
            dict(type='mmseg.LoadImageFromFile'),
            dict(type='mmseg.LoadAnnotations'),
        ],
    )
    assert len(dataset) == count
    assert dataset.metainfo['classes'] == classes
    original = [i for i, _ in shapes.cityscapes.values()]
    seen = set()
    for sample in dataset:
        label = cv2.imread(sample['seg_map_path'], cv2.IMREAD_UNCHANGED)
        loaded = sample['gt_seg_map']
        np.testing.assert_array_equal(np.array(original)[loaded], label)
        seen |= set(np.unique(loaded).tolist())
    assert seen == set(range(6))
