"""The scripts that bring public data into the form of the configs."""

import json

import pytest

from benchmarks.data import blood_cells, camvid
from benchmarks.data.folders import fingerprint


def touch(path, text=''):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def roads(tmp_path):
    for split in ('train', 'val', 'test'):
        for name in ('0001TP_1', 'Seq05VD_f1', 'Seq05VD_f0'):
            touch(tmp_path / f'in/images/{split}/{name}.jpg', name)
            touch(tmp_path / f'in/labels/{split}/{name}.png', name)
    return tmp_path


@pytest.fixture
def cells(tmp_path):
    for split in ('train', 'val', 'test'):
        touch(tmp_path / f'in/{split}/a.jpg')
        content = json.dumps(dict(images=[dict(file_name='a.jpg')]))
        touch(tmp_path / f'in/annotations/{split}.json', content)
    return tmp_path


def test_camvid_is_linked_with_the_list_of_its_unseen_images(roads):
    for _ in range(2):  # again is no error
        camvid.prepare(roads / 'in', roads / 'out')
    assert len([*(roads / 'out/img_dir/val').iterdir()]) == 3
    label = roads / 'out/ann_dir/test/Seq05VD_f0.png'
    assert label.read_text() == 'Seq05VD_f0'
    unseen = (roads / 'out/test_unseen.txt').read_text()
    assert unseen.split() == ['Seq05VD_f0', 'Seq05VD_f1']


def test_an_image_without_label_is_an_error(roads):
    (roads / 'in/labels/val/0001TP_1.png').unlink()
    with pytest.raises(SystemExit, match=r'val: expected a label.*0001TP_1'):
        camvid.prepare(roads / 'in', roads / 'out')


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match='expected a folder with files'):
        camvid.prepare(tmp_path / 'in', tmp_path / 'out')


def test_cells_are_linked_with_their_annotations(cells):
    blood_cells.prepare(cells / 'in', cells / 'out')
    assert (cells / 'out/test/a.jpg').is_file()
    assert (cells / 'out/annotations/val.json').is_file()


def test_an_annotated_image_that_is_missing_is_an_error(cells):
    (cells / 'in/val/a.jpg').rename(cells / 'in/val/b.jpg')
    with pytest.raises(SystemExit, match=r"names images.*\['a.jpg'\]"):
        blood_cells.prepare(cells / 'in', cells / 'out')


def test_a_fingerprint_tells_content_and_not_place(roads):
    camvid.prepare(roads / 'in', roads / 'out')
    before = fingerprint(roads / 'out')
    (roads / 'out').rename(roads / 'elsewhere')
    assert fingerprint(roads / 'elsewhere') == before
    touch(roads / 'in/images/val/0001TP_1.jpg', 'other')
    assert fingerprint(roads / 'elsewhere') != before
