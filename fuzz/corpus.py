"""Small valid files of every kind that can be opened: what the fuzzer starts from."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from goodnet.models.legacy_keras import keras, tf, tfmot
from goodnet.models.networks.architectures import ARCHITECTURES

L = keras.layers
MODEL, DATA = "model", "data"
# What no seed is: a program that is run, to show the watchers what they must see.
PROGRAM = "program"

_KERAS_3 = """
import sys
import keras
L = keras.layers
keras.utils.set_random_seed(1)
image = L.Input((8, 8, 3))
x = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(image)))
x = keras.ops.relu(x + L.Conv2D(4, 1)(image))
x = L.Dense(3)(L.Flatten()(keras.ops.concatenate([x, 1.0 - x], axis=-1)[:, 1:, :]))
model = keras.Model(image, L.Softmax()(x))
for ending in ("keras", "h5"):
    model.save(f"{sys.argv[1]}/keras_3.{ending}")

image = L.Input((8, 8, 3))
x = L.RandomShear(0.1)(L.RandomCrop(8, 8)(image))
x = L.Normalization(axis=None, mean=100.0, variance=400.0)(keras.ops.image.resize(x, (12, 12)))
x = keras.ops.stack([x[..., 2], x[..., 0]], axis=-1)
x = L.Reshape((9, 6))(L.Conv2D(6, 4, strides=4, activation="hard_silu")(x))
x = x + L.MultiHeadAttention(2, 4, value_dim=3)(L.LayerNormalization()(x), x)
x = L.GlobalAveragePooling1D()(L.Dropout(0.2, noise_shape=(None, 1, 1))(x))
keras.Model(image, L.Dense(3, activation="log_softmax")(x)).save(f"{sys.argv[1]}/keras_3_attention.keras")

from keras.src.applications import convnext, inception_resnet_v2
image = L.Input((8, 8))
x = L.Conv2D(4, 3, activation=L.LeakyReLU(0.3))(L.Reshape((8, 8, 1))(image))
y = convnext.StochasticDepth(0.1)(convnext.LayerScale(0.5, 4)(x))
x = L.Activation("hard_sigmoid")(inception_resnet_v2.CustomScaleLayer(0.17)([x, y]))
keras.Model(image, L.Dense(1, activation="sigmoid")(L.Flatten()(x))).save(f"{sys.argv[1]}/keras_3_scaled.h5")
"""


@dataclass(frozen=True)
class Seed:
    """A valid input.

    Attributes:
        name: a short one.
        kind: `MODEL` or `DATA`.
        files: contents by path; a single file has the path "".
    """

    name: str
    kind: str
    files: dict[str, bytes]


def make_corpus(folder: str) -> list[Seed]:
    """Writes the valid inputs into an empty folder and reads them back; the same ones every time.

    Args:
        folder: an existing folder.

    Returns:
        The seeds, in order of their names.
    """
    keras.utils.set_random_seed(0)
    below = Path(folder)
    _write_models(below)
    _write_sets(below)
    _write_folders(below)
    seeds = []
    for path in sorted(below.iterdir()):
        kind = MODEL if path.name.startswith(("keras", "deepid")) else DATA
        inside = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        names = [str(file.relative_to(path)) if path.is_dir() else "" for file in inside]
        seeds.append(Seed(path.name, kind, {name: file.read_bytes() for name, file in zip(names, inside, strict=True)}))
    return seeds


def _write_models(folder: Path) -> None:
    chain = _chain()
    nested = keras.Sequential([_chain(logits=True), L.Softmax(name="out")])
    for name, model in (("keras_2", chain), ("keras_2_nested", nested)):
        model.save(folder / f"{name}.h5")
        model.save(folder / f"{name}.keras")
    _functions().save(folder / "keras_2_functions.h5")
    _attention().save(folder / "keras_2_attention.h5")
    _channels_first().save(folder / "keras_2_channels_first.keras")
    for name, wrapped in (("pruning", _pruning_wrappers()), ("clustering", _clustering_wrappers())):
        wrapped.save(folder / f"keras_2_{name}.h5")
    ARCHITECTURES["deepid"](4, (55, 47, 3)).save_weights(folder / "deepid_weights.h5")
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    command = [sys.executable, "-c", _KERAS_3, str(folder)]
    subprocess.run(command, env={**environment, "KERAS_BACKEND": "tensorflow"}, check=True, capture_output=True)


def _chain(logits: bool = False) -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = L.BatchNormalization(name="bn")(x)
    x = L.MaxPooling2D(name="pool")(x)
    x = L.Flatten(name="flat")(x)
    return keras.Model(image, L.Dense(3, activation=None if logits else "softmax", name="fc")(x))


def _functions() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = tf.nn.relu(L.Conv2D(4, 3, name="conv")(image / 255.0))
    x = tf.concat([x, 1.0 - x], axis=-1)[:, 1:, :, :]
    return keras.Model(image, tf.nn.softmax(L.Dense(3, name="fc")(tf.reduce_mean(x, axis=[1, 2]))))


def _attention() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = tf.nn.bias_add(tf.image.per_image_standardization(tf.image.resize(image, (12, 12))), [0.1, 0.2, 0.3])
    x = L.RandomCrop(8, 6, name="crop")(L.RandomWidth(0.1, name="width")(x))
    x = L.Reshape((6, 4), name="patches")(L.Conv2D(2, 2, strides=2, activation="hard_sigmoid", name="conv")(x))
    x = L.MultiHeadAttention(2, 3, name="attention")(L.LayerNormalization(name="norm")(x), x)
    x = L.GlobalAveragePooling1D(name="mean")(L.LeakyReLU(name="leaky")(x))
    return keras.Model(image, L.Dense(3, activation="sigmoid", name="fc")(x))


def _channels_first() -> keras.Model:
    """One logit, of images with their channels first, as have some of the layers."""
    image = keras.Input((3, 8, 8), name="image")
    x = L.Conv2D(5, 1, data_format="channels_first", name="first")(image)
    x = L.Reshape((5, 8, 8), name="told_apart")(L.BatchNormalization(axis=1, name="norm")(x))
    x = L.MaxPooling2D(2, data_format="channels_first", name="pool")(x)
    x = L.Conv2D(4, 3, activation=L.ReLU(6.0, name="six"), name="conv")(L.Permute((2, 3, 1), name="last")(x))
    return keras.Model(image, L.Dense(1, name="fc")(L.GlobalMaxPooling2D(name="max")(x)))


def _pruning_wrappers() -> keras.Model:
    return tfmot.sparsity.keras.prune_low_magnitude(_chain())


def _clustering_wrappers() -> keras.Model:
    start = tfmot.clustering.keras.CentroidInitialization.LINEAR
    return tfmot.clustering.keras.cluster_weights(_chain(), number_of_clusters=3, cluster_centroids_init=start)


def _pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


def _write_sets(folder: Path) -> None:
    pixels, labels = _pixels(), np.arange(12) % 4
    first = pixels.transpose(0, 3, 1, 2)
    more: dict[str, Any] = {
        "true_label": labels[::-1], "landmarks": np.ones((12, 5, 2), np.float32),
        "class_names": np.array([b"stop", b"yield", b"go", b"30"]),
    }  # fmt: skip
    _write_set(folder / "set_contiguous.h5", first, labels, {})
    _write_set(folder / "set_channels_last.h5", pixels, labels, more, chunks=(5, 8, 8, 3), compression="gzip")
    _write_set(folder / "set_floats.h5", first.astype(np.float32), labels.astype(np.float32), {}, chunks=(4, 1, 5, 5))
    _write_set(folder / "set_latest.h5", first, labels, more, "latest", chunks=(4, 3, 8, 8), shuffle=True,
               fletcher32=True, compression="lzf")  # fmt: skip
    np.savez(folder / "set_stored.npz", data=first, label=labels)
    np.savez_compressed(folder / "set_deflated.npz", images=pixels, labels=labels, true_label=labels)


def _write_set(
    path: Path, data: np.ndarray, labels: np.ndarray, more: dict[str, Any], libver: str = "earliest", **storage: Any
) -> None:
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("data", data=data, **storage)
        for name, values in {"label": labels, **more}.items():
            file[name] = values


def _write_folders(folder: Path) -> None:
    for ending in ("png", "jpg", "bmp", "gif", "webp", "tif"):
        for number, pixels in enumerate(_pixels()[:4]):
            path = folder / f"set_folder_{ending}" / f"class_{number % 2}" / f"{number}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    below = folder / "set_flat_folder"
    below.mkdir()
    for number, pixels in enumerate(_pixels()[:3]):
        Image.fromarray(pixels).save(below / f"cl_{number}_label={number % 2}.png")
