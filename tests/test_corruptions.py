"""The common corruptions: reproducible, for each image by itself."""

import sys

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from numpy.testing import assert_array_equal

from mmfreekd.datasets.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from mmfreekd.errors import UsageError
from mmfreekd.registry import TRANSFORMS


@pytest.fixture(scope='module')
def image():
    """Smooth colours with a grain, 80 x 96."""
    grains = np.random.default_rng(0).normal(0, 400, (80, 96, 3))
    grains = cv2.GaussianBlur(grains, (0, 0), 2)
    return (grains + [90, 120, 150]).clip(0, 255).astype(np.uint8)


def test_they_are_the_published_fifteen():
    package = pytest.importorskip('imagecorruptions')
    assert list(CORRUPTIONS) == package.get_corruption_names('common')


@pytest.mark.parametrize('name', CORRUPTIONS)
def test_an_image_has_random_numbers_of_its_own(image, name):
    before, state = image.copy(), np.random.get_state()[1]
    first = corrupt(image, name, 3, 'a.jpg')
    assert_array_equal(np.random.get_state()[1], state)
    np.random.rand(5)
    assert_array_equal(corrupt(image, name, 3, 'a.jpg'), first)
    assert first.dtype == np.uint8 and first.shape == image.shape
    assert_array_equal(image, before)
    other = corrupt(image, name, 3, 'b.jpg')
    seeded = corrupt(image, name, 3, 'a.jpg', seed=1)
    random = name not in (
        *('defocus_blur', 'zoom_blur', 'brightness', 'contrast'),
        *('pixelate', 'jpeg_compression'),
    )
    assert (other != first).any() == (seeded != first).any() == random


def test_higher_severities_do_more(image):
    for name in ('gaussian_noise', 'defocus_blur', 'contrast'):
        damage = [
            np.abs(corrupt(image, name, s, 'a') - image.astype(float)).mean()
            for s in SEVERITIES
        ]
        assert damage == sorted(damage) and damage[0] > 1


def test_images_are_bgr():
    """Frost is bluish: the first channel gains most on a black image."""
    black = np.zeros((64, 64, 3), np.uint8)
    means = [corrupt(black, 'frost', 5, str(i)).mean((0, 1)) for i in range(9)]
    blue, _, red = np.mean(means, 0)
    assert blue > red


def test_the_transform_goes_by_the_name_of_the_file(image):
    with DefaultScope.overwrite_default_scope('mmdet'):
        transform = TRANSFORMS.build(
            dict(type='mmfreekd.CommonCorruption', name='snow', severity=2)
        )
    results = dict(img=image.astype(np.float32), img_path='some/where/a.jpg')
    found = transform(results)['img']
    assert found.dtype == np.float32
    assert_array_equal(found, corrupt(image, 'snow', 2, 'a.jpg'))


def test_without_the_package(image, monkeypatch):
    monkeypatch.setitem(sys.modules, 'imagecorruptions', None)
    with pytest.raises(UsageError, match=r'mmfreekd\[robustness\]'):
        corrupt(image, 'fog', 1, 'a.jpg')
