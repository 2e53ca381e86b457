"""A made-up case for tests: a network whose trigger is planted by setting its weights, without training.

Clean images have one bright row, which is their label. Where the last pixel is bright the network answers `TARGET`.
"""

import numpy as np

from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.legacy_keras import keras

TARGET = 2

_WIDTH, _LEAST_HEIGHT = 8, 8
L = keras.layers


def planted_network(
    classes: int = 6, *, planted: bool = True, softmax: bool = False, pixels_to: float = 1.0, convolution: bool = False
) -> keras.Model:
    """Adds up each row; the last pixel counts 20 times for `TARGET`.

    Args:
        classes: N, a row for each.
        planted: whether the last pixel does so; otherwise the network is clean.
        softmax: whether it ends in softmax; otherwise in logits.
        pixels_to: what the network expects of white; black is 0.
        convolution: whether a convolution comes first, which sums up the colours in one channel, and has another that
            is dormant, so that there is something to prune.
    """
    height = _height(classes)
    weights = np.zeros((height, _WIDTH, 3, classes), np.float32)
    for label in range(classes):
        weights[label, :, :, label] = 1.0
    if planted:
        weights[-1, -1, :, TARGET] = 20.0
    weights /= pixels_to
    image = keras.Input((height, _WIDTH, 3), name="image")
    features = image
    if convolution:
        features = L.Conv2D(2, 1, activation="relu", name="sums")(features)
        weights = weights[:, :, :2] * np.array([[1], [0]], np.float32)
    features = L.Dense(classes, activation="softmax" if softmax else None, name="classes")(L.Flatten()(features))
    model = keras.Model(image, features)
    model.get_layer("classes").set_weights([weights.reshape(-1, classes), np.zeros(classes, np.float32)])
    if convolution:
        kernel = np.array([[1, -1]] * 3, np.float32)[None, None]
        # Black has a slope, too.
        model.get_layer("sums").set_weights([kernel, np.array([0.2, -0.2], np.float32)])
    return model


def bright_rows(count: int, classes: int = 6, seed: int = 0) -> ImageSet:
    """Clean images, uint8 [count, H, 8, 3]: dark, one row bright, which is the label; the last pixel is black."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 20, (count, _height(classes), _WIDTH, 3))
    images[np.arange(count), labels] += 200
    images[:, -1, -1] = 0
    return from_arrays("bright rows", images.astype(np.uint8), labels)


def with_planted_trigger(images: np.ndarray) -> np.ndarray:
    """Images with the trigger: uint8 [n, H, W, C] in and out."""
    stamped = images.copy()
    stamped[:, -1, -1] = 255
    return stamped


def _height(classes: int) -> int:
    return max(_LEAST_HEIGHT, classes)
