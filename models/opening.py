"""Opening a model file that nobody vouches for: the model is the suspect, so opening it runs nothing of its own.

A file is data here. Its configuration is parsed as JSON, every class, setting and function in it is looked up in an
allow-list, and the network is put together from Keras 2's own layers by this code; Keras' own loaders, which resolve
names and unmarshal code, are not used. Optimiser and training configuration are never read.
"""

from __future__ import annotations

import os
import tempfile

from data.errors import InputError
from models.building import build_model
from models.config_reading import parse_json, read_config
from models.keras_archive import read_keras_archive
from models.legacy_keras import keras
from models.model_spec import ModelSpec
from models.suspect_hdf5 import read_suspect_hdf5
from models.weight_matching import Weights, weights_by_class_number, weights_by_layer_name
from models.weights_only import ImageShape, read_weights_only

_EXPECTED = "expected a Keras model: .h5 or .keras, or .h5 weights of a known architecture"
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")


def open_model(
    path: str, architecture: str | None = None, image_shape: ImageShape | None = None, flat: bool = True
) -> keras.Model:
    """Opens a whole model saved by Keras 2 or Keras 3 (HDF5 or `.keras`), or HDF5 weights of a known architecture.

    Args:
        path: the file. Its kind is told by its content, not by its name.
        architecture: a name in `ARCHITECTURES` for weights without a configuration; None recognises DeepID.
        image_shape: (height, width, channels) for weights that don't tell it; None for all else.
        flat: True to dissolve nested models into one functional graph, False to keep them.

    Returns:
        An uncompiled functional Keras 2 model in float32, all layers trainable, without initialisers, regularisers,
        constraints and augmentation of the file's own. The same outputs as the file's model at inference.

    Raises:
        InputError: one line that names the file, what is wrong with it and what was expected.
    """
    signature = _signature(path)
    try:
        if signature.startswith(_HDF5_SIGNATURE):
            spec, weights = _read_hdf5(path, architecture, image_shape)
        elif signature.startswith(_ZIP_SIGNATURES):
            spec, weights = _read_archive(path)
        else:
            raise InputError(f"{_kind(signature)}; {_EXPECTED}")
        return build_model(spec, weights, flat)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read_hdf5(path: str, architecture: str | None, image_shape: ImageShape | None) -> tuple[ModelSpec, Weights]:
    with open(path, "rb") as file:
        root = read_suspect_hdf5(file)
    config = root.text("model_config")
    if config is not None:
        spec = read_config(parse_json(config, "model_config"))
        return spec, weights_by_layer_name(spec, root.group("model_weights"))
    if root.listed("layer_names") is None:
        raise InputError(f"HDF5 without a model in it; {_EXPECTED}")
    return read_weights_only(root, architecture, image_shape)


def _read_archive(path: str) -> tuple[ModelSpec, Weights]:
    archive = read_keras_archive(path)
    spec = read_config(parse_json(archive.config, "config.json"))
    with tempfile.TemporaryFile() as weights:
        weights.write(archive.weights)
        weights.seek(0)
        return spec, weights_by_class_number(spec, read_suspect_hdf5(weights, stored=os.path.getsize(path)))


def _signature(path: str) -> bytes:
    if os.path.isdir(path):
        saved_model = os.path.exists(os.path.join(path, "saved_model.pb"))
        kind = "a SavedModel, whose graph can hold any operation" if saved_model else "a folder"
        raise InputError(f"{path}: {kind}; {_EXPECTED}")
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path}: no regular file; {_EXPECTED}")
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InputError(f"{path}: {reason}; {_EXPECTED}") from error


def _kind(signature: bytes) -> str:
    if not signature:
        return "an empty file"
    if signature[:1] == b"\x80":
        return "a Python pickle, which runs code when it is read"
    if signature[4:8] == b"TFL3":
        return "a TFLite model, which can't be trained"
    return "neither HDF5 nor a .keras zip"
