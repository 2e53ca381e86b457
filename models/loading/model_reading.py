"""From a model file that nobody vouches for to a network that was built and run once; nothing of its own is run.

A file is data here. Its configuration is parsed as JSON, every class, setting and function in it is looked up in an
allow-list, and the network is put together from Keras 2's own layers by this code; Keras' own loaders, which resolve
names and unmarshal code, are not used. Optimiser and training configuration are never read.

Whatever this code does not foresee ends a process of its own: `models.loading.opening` calls it through
`models.loading.opener`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from goodnet.data.errors import InputError
from goodnet.data.reading_process import temporary_file
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.building import build_model
from goodnet.models.loading.classifier_form import in_classifier_form
from goodnet.models.loading.config_reading import parse_json, read_config
from goodnet.models.loading.image_sizes import with_image_shape
from goodnet.models.loading.keras_archive import read_keras_archive
from goodnet.models.loading.model_spec import ModelSpec, quoted
from goodnet.models.loading.network_cost import CostLimits
from goodnet.models.loading.suspect_hdf5 import read_suspect_hdf5
from goodnet.models.loading.trial_run import try_network
from goodnet.models.loading.weight_matching import Weights, weights_by_class_number, weights_by_layer_name
from goodnet.models.loading.weights_only import ImageShape, has_numbered_weights, read_weights_only

EXPECTED = "expected a Keras model: .h5 or .keras, or .h5 weights of a known architecture"
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Network:
    """A network on paper with its weights, and built of them.

    Attributes:
        spec: what the file's configuration says, checked.
        weights: the arrays of every layer that has some.
        model: the network; it was run on a few images.
        architecture: name of the architecture that weights without a configuration are of; None for whole models.
        notes: a line on each thing in which the network differs from what the file holds.
    """

    spec: ModelSpec
    weights: Weights
    model: keras.Model
    architecture: str | None
    notes: tuple[str, ...] = ()


def read_model(
    file: BinaryIO,
    architecture: str | None = None,
    image_shape: ImageShape | None = None,
    flat: bool = True,
    limits: CostLimits | None = None,
    at: Callable[[str], None] = lambda part: None,
) -> Network:
    """Reads, checks, builds and tries a network.

    Args:
        file: a real file, open for reading. Its kind is told by its content.
        architecture: as `open_model` takes it.
        image_shape: as `open_model` takes it.
        flat: as `open_model` takes it.
        limits: what the network may cost; None for the defaults.
        at: told which part of the file is being worked on.

    Returns:
        The network.

    Raises:
        InputError: one line on what is wrong with the file and what was expected; it does not name the file.
    """
    at("reading")
    file.seek(0)
    signature = file.read(16)
    if signature.startswith(_HDF5_SIGNATURE):
        spec, weights, architecture = _read_hdf5(file, architecture, image_shape)
    elif signature.startswith(_ZIP_SIGNATURES):
        (spec, weights), architecture = _read_archive(file, image_shape), None
    else:
        raise InputError(f"{_kind(signature)}; {EXPECTED}")
    notes = _notes(spec)
    spec, weights, changes = in_classifier_form(spec, weights)
    # What a network costs is counted on the dissolved one: nested models may say nothing of the size of images.
    model = build_model(spec, weights, True, limits, at)
    if not flat:
        model = build_model(spec, weights, False, limits, at)
    at("running the network")
    try_network(model)
    return Network(spec, weights, model, architecture, (*notes, *changes))


def _notes(spec: ModelSpec) -> list[str]:
    notes = []
    wrapped = [leaf.wrapper for _, leaf in spec.leaves() if leaf.wrapper is not None]
    if wrapped:
        notes.append(
            f"{len(wrapped)} layers are still in tfmot's wrappers ({', '.join(sorted(set(wrapped)))}); taken out"
        )
    if spec.own_class is not None:
        notes.append(
            f"a class of its own, {quoted(spec.own_class)}; opened as the functional graph that it stores, without"
            " its code"
        )
    return notes


def _read_hdf5(
    file: BinaryIO, architecture: str | None, image_shape: ImageShape | None
) -> tuple[ModelSpec, Weights, str | None]:
    root = read_suspect_hdf5(file)
    config = root.text("model_config")
    if config is not None:
        keras_3 = _is_keras_3(root.text("keras_version"))
        spec = with_image_shape(read_config(parse_json(config, "model_config"), keras_3), image_shape)
        return spec, weights_by_layer_name(spec, root.group("model_weights")), None
    if root.listed("layer_names") is not None or has_numbered_weights(root):
        return read_weights_only(root, architecture, image_shape)
    raise InputError(
        f"HDF5 without a model in it; {EXPECTED} (Keras 3 leaves an empty .h5 where it can't write a layer so, such as"
        " RandomBrightness: save such a model as .keras)"
    )


def _is_keras_3(version: Any) -> bool:
    return isinstance(version, str) and version.startswith("3.")


def _read_archive(file: BinaryIO, image_shape: ImageShape | None) -> tuple[ModelSpec, Weights]:
    archive = read_keras_archive(file)
    metadata = parse_json(archive.metadata, "metadata.json")
    keras_3 = _is_keras_3(metadata.get("keras_version") if isinstance(metadata, dict) else None)
    spec = with_image_shape(read_config(parse_json(archive.config, "config.json"), keras_3), image_shape)
    with temporary_file(len(archive.weights)) as weights:
        weights.write(archive.weights)
        weights.flush()
        size = os.fstat(file.fileno()).st_size
        return spec, weights_by_class_number(spec, read_suspect_hdf5(weights, stored=size))


def _kind(signature: bytes) -> str:
    if not signature:
        return "an empty file"
    if signature[:1] == b"\x80":
        return "a Python pickle, which runs code when it is read"
    if signature[4:8] == b"TFL3":
        return "a TFLite model, which can't be trained"
    return "neither HDF5 nor a .keras zip"
