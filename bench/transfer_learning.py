"""Networks of transfer learning that are right on images made up for them, at any size and without training.

The base has random weights, and batch norms that know its own statistics, as those of a trained one do. The head is
fitted by ridge regression to what the base says of the images.
"""

import os
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from bench.model_cases import transfer_case

# After legacy_keras, which decides what tf.keras is.
import keras  # isort: skip

CLASSES = 5
_FITTED_ON = 60
_AT_ONCE = 20
_RIDGE = 1e-2
_LOGIT = 6.0


@dataclass(frozen=True)
class TransferNetwork:
    """A base of `keras.applications` with a new head of 5 classes.

    Attributes:
        base: its name.
        size: of the images, pixels.
        module: of `keras.applications`, whose preprocessing is part of the network; None for -1..1.
    """

    base: str
    size: int
    module: str | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.base}, {self.size} x {self.size}"

    def save(self, path: str) -> None:
        """Writes a `.keras` file of Keras 3."""
        keras.utils.set_random_seed(0)
        keras.backend.clear_session()
        model = transfer_case(self.base, self.size, self.module).build(keras)
        images, labels = patterns(_FITTED_ON, self.size, seed=0)
        images = images.astype(np.float32)
        place = next(
            number for number, layer in enumerate(model.layers) if isinstance(layer, keras.src.models.Functional)
        )
        _learn_statistics(model.layers[place], _given_to(place, model, images[:_AT_ONCE]))
        _fit_head(model.layers[-1], _given_to(len(model.layers) - 1, model, images), labels)
        model.save(path)


def write_patterns(folder: str, count: int, size: int, seed: int) -> str:
    """Writes such images in the CSAW layout; returns the path."""
    path = os.path.join(folder, "clean.h5")
    images, labels = patterns(count, size, seed)
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = images.transpose(0, 3, 1, 2), labels
    return path


def patterns(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes with noise, whose direction, width and colours are those of their class.

    Returns:
        uint8 [count, size, size, 3], and int64 [count] labels, as many of each class as of another.
    """
    drawn = np.random.default_rng(1)
    colours = drawn.uniform(0, 255, (CLASSES, 2, 3))
    waves = drawn.uniform(4, 16, CLASSES)
    angles = np.arange(CLASSES) * np.pi / CLASSES
    rng = np.random.default_rng([seed, 2])
    labels = np.arange(count) % CLASSES
    down, right = np.mgrid[:size, :size] / size
    images = np.empty((count, size, size, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        along = np.cos(angles[label]) * down + np.sin(angles[label]) * right
        share = (0.5 + 0.5 * np.sin(2 * np.pi * (waves[label] * along + rng.random())))[..., None]
        first, second = colours[label] * rng.uniform(0.7, 1.3, (2, 1))
        image[:] = (share * first + (1 - share) * second + rng.normal(0, 12, image.shape)).clip(0, 255)
    return images, labels


def _given_to(place: int, model: Any, images: np.ndarray) -> np.ndarray:
    """What a layer of a chain is given."""
    below = keras.Model(model.inputs, model.layers[place - 1].output)
    batches = np.split(images, range(_AT_ONCE, len(images), _AT_ONCE))
    return np.concatenate([np.asarray(below(batch, training=False)) for batch in batches])


def _learn_statistics(base: Any, inputs: np.ndarray) -> None:
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.trainable, norm.momentum = True, 0.0
    base(inputs, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.trainable, norm.momentum = False, momentum


def _fit_head(head: Any, features: np.ndarray, labels: np.ndarray) -> None:
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = (features - mean) / deviation
    wanted = _LOGIT * (2 * np.eye(CLASSES)[labels] - 1)
    # As many unknowns as images; the features are more.
    kernel = standard.T @ np.linalg.solve(
        standard @ standard.T + _RIDGE * standard.shape[1] * np.eye(len(labels)), wanted - wanted.mean(axis=0)
    )
    kernel /= deviation[:, None]
    head.set_weights([kernel, wanted.mean(axis=0) - mean @ kernel])
