"""Noise: Gaussian, shot and impulse."""

import numpy as np

STRENGTHS = dict(
    gaussian_noise=(0.08, 0.12, 0.18, 0.26, 0.38),  # standard deviation
    shot_noise=(60, 25, 12, 5, 3),  # photons in a white pixel
    impulse_noise=(0.03, 0.06, 0.09, 0.17, 0.27),  # share of the values
)


def gaussian_noise(rng, image, deviation):
    """Add normal noise to every value."""
    return image + rng.normal(0, deviation, image.shape)


def shot_noise(rng, image, photons):
    """Count photons, of which a white pixel gets so many on average."""
    return rng.poisson(image * photons) / photons


def impulse_noise(rng, image, share):
    """Set values to black or white, each channel on its own."""
    hit = rng.random(image.shape) < share
    return np.where(hit, rng.random(image.shape) < 0.5, image)
