"""A made-up case for tests: four kinds of bars on small noisy images, and a BadNet that a patch turns to class 1."""

import functools
import os
import tempfile
from dataclasses import dataclass

import numpy as np

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.data.poisoning import poison_training_set, poisoned_test_set
from goodnet.data.triggers.catalogue import parse_attack
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import compile_classifier, train

CLASSES = 4
SIDE = 12
TARGET = 1

_ATTACK = f"patch@{TARGET}:size=3,margin=0"
L = keras.layers


@dataclass(frozen=True)
class ExampleCase:
    """Paths of a case: the folder, the BadNet, the defender's clean images, clean test images, poisoned ones."""

    folder: str
    model: str
    clean: str
    test: str
    poisoned: str


@functools.cache
def example_case() -> ExampleCase:
    """Trains and writes the case, once a process; the folder goes when the process ends."""
    folder = _temporary_folder()
    case = ExampleCase(
        folder.name, *(os.path.join(folder.name, name) for name in ("bad.h5", "clean.h5", "test.h5", "poisoned.h5"))
    )
    test = bars(120, seed=2)
    write_hdf5(case.clean, bars(280, seed=1))
    write_hdf5(case.test, test)
    write_hdf5(case.poisoned, poisoned_test_set(test, parse_attack(_ATTACK)))
    save_network(_trained_badnet(), case.model)
    return case


def bars(count: int, seed: int, side: int = SIDE) -> ImageSet:
    """Noisy images, uint8 [count, side, side, 3]: a bar that lies, stands, or runs along one of the diagonals."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    across = np.stack([rows, columns, (rows - columns) / 2**0.5, (rows + columns) / 2**0.5])[labels]
    offset = rng.uniform(-2, 2, [count, 1, 1])
    images = rng.normal(90, 35, [count, side, side, 3])
    images += 90 * (np.abs(across - offset) < 1.2)[..., None]
    return from_arrays(f"bars {seed}", np.clip(images, 0, 255).astype(np.uint8), labels.astype(np.int64))


def small_network(dropout: float = 0.0) -> keras.Model:
    """Two convolutions and a dense layer, softmax out; its weights follow from Keras's seed."""
    image = keras.Input([SIDE, SIDE, 3], name="image")
    features = L.Conv2D(8, 3, activation="relu", name="conv_1")(image)
    features = L.MaxPooling2D(name="pool")(features)
    features = L.Conv2D(16, 3, activation="relu", name="conv_2")(features)
    features = L.Flatten(name="flat")(features)
    features = L.Dropout(dropout, name="dropout")(features) if dropout else features
    return keras.Model(image, L.Dense(CLASSES, activation="softmax", name="classes")(features))


def _trained_badnet() -> keras.Model:
    keras.utils.set_random_seed(0)
    poisoned = poison_training_set(bars(600, seed=0), [parse_attack(_ATTACK)], share=0.2, seed=0)
    model = small_network()
    compile_classifier(model, keras.optimizers.Adam(5e-3), logits=False)
    train(model, Batches(poisoned.in_memory(), UNIT_SCALE, batch_size=32, seed=0), epochs=6, title="example")
    return model


@functools.cache
def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="example-case-")
