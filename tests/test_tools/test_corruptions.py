"""Corruptions of images: reproducible, graded and of bounded strength."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL_DIR = Path(__file__).resolve().parents[2] / 'tools' / 'data'
KINDS = (
    'gaussian_noise',
    'shot_noise',
    'impulse_noise',
    'defocus_blur',
    'motion_blur',
    'brightness',
    'contrast',
    'fog',
    'pixelate',
    'jpeg',
)


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(TOOL_DIR))
    try:
        import corruptions
    finally:
        sys.path.remove(str(TOOL_DIR))
    return corruptions


@pytest.fixture(scope='module')
def image():
    """Fine grains on a ramp, so that every kind has work to do."""
    grains = np.random.default_rng(0).normal(0, 90, (48, 64))
    grey = 2 * np.arange(64) + 60 + cv2.GaussianBlur(grains, (0, 0), 1)
    colours = np.stack([grey, 0.8 * grey, 255 - 0.4 * grey], 2)
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def apply(tool, image, kind, severity, seed=0):
    rng = np.random.default_rng(seed)
    return tool.corrupt(rng, image, kind, severity)


def damage(tool, image, kind, severity):
    """Root mean square change over several random streams."""
    changes = [
        apply(tool, image, kind, severity, seed) - image.astype(float)
        for seed in range(10)
    ]
    return np.sqrt(np.mean(np.square(changes)))


@pytest.mark.parametrize('kind', KINDS)
def test_higher_severity_does_more_and_not_too_much(tool, image, kind):
    levels = [damage(tool, image, kind, s) for s in tool.SEVERITIES]
    assert 2 < levels[0] < levels[1] < levels[2] < 80


@pytest.mark.parametrize('kind', KINDS)
def test_same_stream_same_bytes_and_input_untouched(tool, image, kind):
    before = image.copy()
    first, second = (apply(tool, image, kind, 2, 7) for _ in range(2))
    assert first.dtype == np.uint8 and first.shape == image.shape
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_moves(tool, image, kind):
    """The corrupted image fits the clean one best where it lies."""
    clean = image.mean(2)
    fit = {}
    for shift in (-3, -1, 0, 1, 3):
        other = np.roll(apply(tool, image, kind, 1).mean(2), shift, 0)
        fit[shift] = np.corrcoef(clean[4:-4].ravel(), other[4:-4].ravel())[
            0, 1
        ]
    assert max(fit, key=fit.get) == 0


def test_blurs_and_pixelate_keep_the_mean_colour(tool, image):
    for kind in ('defocus_blur', 'motion_blur', 'pixelate', 'contrast'):
        other = apply(tool, image, kind, 3)
        np.testing.assert_allclose(
            other.mean((0, 1)), image.mean((0, 1)), atol=3
        )


def test_black_and_white_images_are_fine(tool):
    for kind in KINDS:
        for grey in (0, 255):
            other = apply(tool, np.full((32, 40, 3), grey, np.uint8), kind, 3)
            assert abs(other.mean() - grey) < 150


def test_choice_visits_all_kinds_at_every_severity(tool):
    chosen = [tool.choose_corruption(index) for index in range(60)]
    assert tuple(kind for kind, _ in chosen[:10]) == KINDS
    assert {severity for _, severity in chosen[:10]} == {1}
    assert {severity for _, severity in chosen[10:20]} == {2}
    assert set(chosen[:30]) == {(k, s) for k in KINDS for s in (1, 2, 3)}
    assert chosen[30:] == chosen[:30]


@pytest.mark.parametrize('kind, severity', [('rain', 1), ('fog', 0)])
def test_unknown_corruption_is_an_error(tool, image, kind, severity):
    with pytest.raises(ValueError, match='kind must be one of gaussian_noise'):
        apply(tool, image, kind, severity)
