"""The fifteen corruptions do what was published, image by image."""

import sys
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

TOOL_DIR = str(Path(__file__).resolve().parents[2] / 'tools')
NAMES = (
    'gaussian_noise shot_noise impulse_noise defocus_blur glass_blur '
    'motion_blur zoom_blur snow frost fog brightness contrast '
    'elastic_transform pixelate jpeg_compression'
).split()
SEVERITIES = (1, 2, 3, 4, 5)


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, TOOL_DIR)
    try:
        from robustness import corruptions
    finally:
        sys.path.remove(TOOL_DIR)
    return corruptions


@pytest.fixture(scope='module')
def image():
    """Smooth colours with a grain, 80 x 96."""
    grains = np.random.default_rng(0).normal(0, 400, (80, 96, 3))
    grains = cv2.GaussianBlur(grains, (0, 0), 2)
    return (grains + [90, 120, 150]).clip(0, 255).astype(np.uint8)


def grey(value, height=64, width=64):
    return np.full((height, width, 3), value, np.uint8)


def apply(tool, image, name, severity, seed=0):
    options = {}
    if name == 'frost':
        options['pictures'] = tool.weather.frost_pictures()
    rng = np.random.default_rng(seed)
    return tool.corrupt(rng, image, name, severity, **options).astype(float)


def test_names_and_groups_are_those_of_the_benchmark(tool):
    assert list(tool.CORRUPTIONS) == NAMES
    assert {len(strengths) for _, strengths in tool.CORRUPTIONS.values()} == {
        5
    }
    sizes = [len(module.STRENGTHS) for module in tool.GROUPS.values()]
    assert list(tool.GROUPS) == ['noise', 'blur', 'weather', 'digital']
    assert sizes == [3, 4, 4, 4]


@pytest.mark.parametrize('name', NAMES)
def test_any_size_and_the_input_untouched(tool, name):
    for height, width in ((33, 70), (64, 32), (150, 41)):
        before = np.random.default_rng(1).integers(0, 256, (height, width, 3))
        before = before.astype(np.uint8)
        given = before.copy()
        for severity in (1, 5):
            after = apply(tool, given, name, severity)
            assert after.shape == before.shape
            assert np.abs(after - before).mean() > 0.5
        np.testing.assert_array_equal(given, before)


def test_severity_does_more_on_average(tool, image):
    damage = np.array(
        [
            [np.sqrt(((apply(tool, image, n, s) - image) ** 2).mean())]
            for s in SEVERITIES
            for n in NAMES
        ]
    ).reshape(5, len(NAMES))
    assert (np.diff(damage.mean(1)) > 0).all()
    assert (damage[4] > damage[0]).all(), dict(
        zip(NAMES, damage[4] - damage[0])
    )


@pytest.mark.parametrize('severity, deviation', [(1, 0.08), (3, 0.18)])
def test_gaussian_noise(tool, severity, deviation):
    noise = apply(tool, grey(128), 'gaussian_noise', severity) - 128
    assert noise.std() == pytest.approx(255 * deviation, rel=0.05)
    assert abs(noise.mean()) < 2


@pytest.mark.parametrize('severity, photons', [(1, 60), (2, 25)])
@pytest.mark.parametrize('value', [40, 120])
def test_shot_noise_grows_with_the_root_of_the_light(
    tool, severity, photons, value
):
    noise = apply(tool, grey(value), 'shot_noise', severity) - value
    expected = 255 * np.sqrt(value / 255 / photons)
    assert noise.std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize('severity, share', [(1, 0.03), (5, 0.27)])
def test_impulse_noise_is_salt_and_pepper(tool, severity, share):
    after = apply(tool, grey(128, 100, 100), 'impulse_noise', severity)
    assert set(np.unique(after)) == {0, 128, 255}
    for value in (0, 255):
        assert (after == value).mean() == pytest.approx(share / 2, rel=0.1)


@pytest.mark.parametrize('severity, radius', [(1, 3), (2, 4), (5, 10)])
def test_defocus_blur_spreads_a_point_over_a_disc(tool, severity, radius):
    point = grey(0)
    point[32, 32] = 255
    rng = np.random.default_rng(0)
    function, strengths = tool.CORRUPTIONS['defocus_blur']
    spread = function(rng, point / 255, *strengths[severity - 1])[..., 0]
    y, x = np.mgrid[:64, :64] - 32
    distance = np.hypot(x, y)
    inside = spread[distance < radius - 1.5]
    assert spread.sum() == pytest.approx(1, abs=0.02)
    assert np.ptp(inside) < 1e-5
    assert inside[0] == pytest.approx(1 / (np.pi * radius**2), rel=0.1)
    assert np.abs(spread[distance > radius + 3]).max() < 1e-9


def test_glass_blur_is_the_published_loop(tool):
    """The loop of the released code, with the same random numbers."""
    deviation, reach, repetitions = 1, 2, 3
    given = np.random.default_rng(1).random((20, 24, 3))
    rng = np.random.default_rng(0)
    x = ndimage.gaussian_filter(
        given, (deviation, deviation, 0), mode='nearest'
    )
    for _ in range(repetitions):
        places = [
            (h, w)
            for h in range(20 - reach, reach, -1)
            for w in range(24 - reach, reach, -1)
        ]
        moves = rng.integers(-reach, reach, (2, len(places)))
        for (h, w), (dy, dx) in zip(places, moves.T):
            x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
    expected = ndimage.gaussian_filter(
        x, (deviation, deviation, 0), mode='nearest'
    )
    function, strengths = tool.CORRUPTIONS['glass_blur']
    assert strengths[2] == (deviation, reach, repetitions)
    result = function(np.random.default_rng(0), given, *strengths[2])
    np.testing.assert_allclose(result, expected, atol=2e-3)


@pytest.mark.parametrize('angle', [-40, -20, 0, 10, 30])
def test_motion_blur_fades_along_a_line(tool, angle):
    radius, deviation = 10, 3
    kernel = tool.blur.motion_path(angle, radius, deviation)
    y, x = np.nonzero(kernel)
    x, y = x - 2 * radius, y - 2 * radius
    assert kernel.sum() == pytest.approx(1) and (0, 0) in set(zip(x, y))
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    assert np.abs(x * sin - y * cos).max() < 1
    along = x * cos + y * sin
    assert along.min() > -1 and along.max() == pytest.approx(20, abs=1)
    order = np.argsort(along)
    assert (np.diff(kernel[kernel > 0][order]) <= 1e-12).all()


def test_motion_blur_of_the_camera_is_rather_horizontal(tool):
    point = grey(0, 99, 99)
    point[49, 49] = 255
    for seed in range(5):
        spread = apply(tool, point, 'motion_blur', 4, seed)[..., 0]
        y, x = np.nonzero(spread)
        assert np.ptp(x) >= np.ptp(y) and np.ptp(x) > 9


@pytest.mark.parametrize(
    'severity, end, step', [(1, 1.11, 0.01), (5, 1.31, 0.03)]
)
def test_zoom_blur_averages_enlarged_centres(tool, image, severity, end, step):
    total, factors = image / 255, np.arange(1, end, step)
    for factor in factors:
        kept = [int(np.ceil(side / factor)) for side in image.shape[:2]]
        top, left = ((s - k) // 2 for s, k in zip(image.shape, kept))
        crop = image[top : top + kept[0], left : left + kept[1]] / 255
        zoomed = ndimage.zoom(crop, (factor, factor, 1), order=1)
        total = total + zoomed[: image.shape[0], : image.shape[1]]
    expected = 255 * total / (len(factors) + 1)
    result = apply(tool, image, 'zoom_blur', severity)
    assert np.abs(result - expected).max() < 3


def test_snow_whitens_and_its_flakes_fall_from_two_sides(tool, image):
    kept = 0.8
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None] / 255
    x = image / 255
    pale = kept * x + (1 - kept) * np.maximum(x, luma * 1.5 + 0.5)
    flakes = apply(tool, image, 'snow', 1) - 255 * pale.clip(0, 1)
    assert flakes.min() > -3
    black = apply(tool, grey(0), 'snow', 1)
    np.testing.assert_allclose(black, black[::-1, ::-1], atol=1)
    assert np.unique(black).size > 20


@pytest.mark.parametrize('severity, x, y', [(1, 1, 0.4), (5, 0.6, 0.75)])
def test_frost_is_a_weighted_sum(tool, image, severity, x, y):
    rng = np.random.default_rng(0)
    pictures = [np.full((30, 200, 3), 0.5)]
    after = tool.corrupt(rng, image, 'frost', severity, pictures=pictures)
    expected = (x * image + y * 127.5).clip(0, 255)
    np.testing.assert_allclose(after, expected, atol=1.01)


def test_drawn_frost_is_like_the_released_pictures(tool):
    """Colour and contrast of the six pictures of the release, averaged."""
    for picture in tool.weather.frost_pictures():
        np.testing.assert_allclose(
            255 * picture.mean((0, 1)), [165, 156, 137], atol=1
        )
        luma = picture @ [0.114, 0.587, 0.299]
        assert 255 * luma.std() == pytest.approx(29, abs=1)
        fine = luma - cv2.GaussianBlur(luma, (0, 0), 8)
        assert 10 < 255 * fine.std() < 29
    assert len({p.tobytes() for p in tool.weather.frost_pictures()}) == 5


def test_fog_adds_clouds_and_keeps_the_brightest(tool):
    x, thickness = 100 / 255, 1.5
    after = apply(tool, grey(100), 'fog', 1)
    assert after.max() == pytest.approx(100, abs=1)
    assert after.min() == pytest.approx(255 * x * x / (x + thickness), abs=1)


def test_clouds_are_fractal(tool):
    def roughness(fading):
        rng = np.random.default_rng(0)
        clouds = tool.weather.plasma(rng, 128, fading)
        assert clouds.min() == 0 and clouds.max() == 1
        return [
            np.abs(
                clouds[::step, ::step]
                - np.roll(clouds, -step, 0)[::step, ::step]
            ).mean()
            for step in (1, 4, 16)
        ]

    smooth, rough = roughness(2), roughness(1.4)
    assert smooth[0] < smooth[1] < smooth[2]
    assert rough[0] > smooth[0]


@pytest.mark.parametrize('severity, added', [(1, 0.1), (5, 0.5)])
def test_brightness_adds_to_the_value(tool, image, severity, added):
    before = cv2.cvtColor((image / 255).astype(np.float32), cv2.COLOR_BGR2HSV)
    before[..., 2] = (before[..., 2] + added).clip(0, 1)
    expected = 255 * cv2.cvtColor(before, cv2.COLOR_HSV2BGR)
    after = apply(tool, image, 'brightness', severity)
    np.testing.assert_allclose(after, expected, atol=1.01)
    black = apply(tool, grey(0), 'brightness', severity)
    np.testing.assert_allclose(black, 255 * added, atol=1)


@pytest.mark.parametrize('severity, factor', [(1, 0.4), (5, 0.05)])
def test_contrast_draws_to_the_mean(tool, image, severity, factor):
    mean = image.mean((0, 1))
    expected = mean + factor * (image - mean)
    after = apply(tool, image, 'contrast', severity)
    np.testing.assert_allclose(after, expected, atol=1.01)


@pytest.mark.parametrize('severity, strength', [(1, 12.5), (5, 30)])
def test_elastic_transform_moves_as_far_as_published(tool, severity, strength):
    """A ramp shows how far its pixels have moved."""
    height, width, moved, expected = 300, 240, [], []
    ramp = np.tile(
        np.arange(width, dtype=float)[:, None] / 255, (height, 1, 3)
    )
    function, strengths = tool.CORRUPTIONS['elastic_transform']
    assert strengths[severity - 1] == strength
    for seed in range(3):
        rng = np.random.default_rng(seed)
        after = 255 * function(rng, ramp, strength)[..., 0]
        moved.append((after - np.arange(width))[:, 30:-30].std())
        noise = rng.uniform(-0.005 * height, 0.005 * height, (height, width))
        deviations = 0.01 * height, 0.01 * width
        field = ndimage.gaussian_filter(noise, deviations, truncate=3)
        expected.append(strength * field.std())
    assert np.mean(moved) == pytest.approx(np.mean(expected), rel=0.04)


@pytest.mark.parametrize('severity, factor', [(2, 0.5), (5, 0.25)])
def test_pixelate_is_box_down_and_nearest_up(tool, image, severity, factor):
    small = [int(side * factor) for side in image.shape[1::-1]]
    coarse = Image.fromarray(image).resize(small, Image.BOX)
    expected = np.asarray(coarse.resize(image.shape[1::-1], Image.NEAREST))
    after = apply(tool, image, 'pixelate', severity)
    np.testing.assert_allclose(after, expected.astype(float), atol=1.01)


@pytest.mark.parametrize('severity, quality', [(1, 25), (5, 7)])
def test_jpeg_compression_is_that_of_pillow(tool, image, severity, quality):
    file = BytesIO()
    Image.fromarray(image[..., ::-1]).save(file, 'JPEG', quality=quality)
    expected = np.asarray(Image.open(file))[..., ::-1].astype(float)
    after = apply(tool, image, 'jpeg_compression', severity)
    assert np.abs(after - expected).mean() < 0.5


def transform(tool, file, seed=0, name='gaussian_noise', dtype=np.uint8):
    built = tool.TRANSFORMS.build(
        dict(type='CommonCorruption', name=name, severity=3, seed=seed)
    )
    return built(dict(img_path=file, img=grey(99).astype(dtype)))['img']


def test_an_image_has_random_numbers_of_its_own(tool):
    first = transform(tool, 'data/a.jpg')
    np.random.seed(5)  # nothing that has been drawn before matters
    np.testing.assert_array_equal(first, transform(tool, 'moved/a.jpg'))
    for other in (
        transform(tool, 'data/b.jpg'),
        transform(tool, 'data/a.jpg', seed=1),
    ):
        assert (first != other).mean() > 0.5


def test_the_type_of_the_pixels_stays(tool):
    image = transform(tool, 'a.jpg', dtype=np.float32)
    assert image.dtype == np.float32 and image.max() > 1


def test_pictures_of_frost_that_are_none(tool, tmp_path):
    with pytest.raises(tool.UsageError, match='missing.png'):
        tool.CommonCorruption(
            'frost', 1, frost_pictures=[str(tmp_path / 'missing.png')]
        )
