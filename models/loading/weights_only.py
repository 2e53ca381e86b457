"""HDF5 files that hold weights without a configuration: the architecture is known by name or recognised."""

from __future__ import annotations

import json
from collections.abc import Callable

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.config_reading import read_config
from goodnet.models.loading.model_spec import ModelSpec, quoted
from goodnet.models.loading.suspect_hdf5 import SuspectGroup
from goodnet.models.loading.weight_matching import (
    STORE_CONTAINERS,
    Weights,
    weights_by_class_number,
    weights_by_layer_name,
)
from goodnet.models.networks.architectures import ARCHITECTURES
from goodnet.models.networks.deepid import FACE_SHAPE, conv_4_extent, pool_3_extent

ImageShape = tuple[int, int, int]
_DEEPID_LAYERS = frozenset(("conv_1", "conv_2", "conv_3", "conv_4", "fc_1", "fc_2", "output"))


def read_weights_only(
    root: SuspectGroup, architecture: str | None, image_shape: ImageShape | None
) -> tuple[ModelSpec, Weights, str]:
    """Finds the architecture that a file of weights is for.

    Args:
        root: the file's root, with the attribute `layer_names`, or weights under numbers.
        architecture: a name in `ARCHITECTURES`, or None to recognise DeepID by its layers.
        image_shape: (height, width, channels), or None where the weights tell: DeepID's size of 55 x 47, where
            it fits them. Of a recognised DeepID that size goes first.

    Returns:
        The network on paper, its weights, and the architecture's name.

    Raises:
        InputError: the architecture is unknown or needed, or the weights aren't of it.
    """
    recognised = architecture is None
    if architecture is None:
        architecture = _recognised(root)
    if architecture not in ARCHITECTURES:
        raise InputError(f"--architecture={architecture}: unknown; expected one of {', '.join(sorted(ARCHITECTURES))}")
    numbered = has_numbered_weights(root)
    classes = 2 if numbered else _classes(_shape(root, "output", 1))
    if image_shape is None and architecture != "deepid":
        raise InputError(
            f"weights of --architecture={architecture} don't tell the image size; expected a whole model file"
        )
    if image_shape is None or recognised:
        image_shape = FACE_SHAPE if numbered else _deepid_image_shape(root, image_shape)
    build = ARCHITECTURES[architecture]
    if numbered:
        weights = weights_by_class_number(read_config(json.loads(_skeleton(build, classes, image_shape))), root)
        classes = _classes(weights["output",][-1].shape)
        return read_config(json.loads(_skeleton(build, classes, image_shape))), weights, architecture
    spec = read_config(json.loads(_skeleton(build, classes, image_shape)))
    return spec, weights_by_layer_name(spec, root), architecture


def has_numbered_weights(root: SuspectGroup) -> bool:
    """Whether a file keeps weights by class and number, as Keras 3's `.weights.h5` do."""
    return any(name in root for name in STORE_CONTAINERS)


def _skeleton(build: Callable[[int, ImageShape], keras.Model], classes: int, image_shape: ImageShape) -> str:
    """The configuration of the architecture; it goes the same way as one from a file.

    It is taken from a network of two classes: nothing is allocated for the number that the file claims.
    """
    config = json.loads(build(2, image_shape).to_json())
    for layer in config["config"]["layers"]:
        if layer["config"]["name"] == "output":
            layer["config"]["units"] = classes
    return json.dumps(config)


def _recognised(root: SuspectGroup) -> str:
    if has_numbered_weights(root):
        raise InputError(
            "weights without a configuration, under numbers; expected a whole model, or the --architecture that they"
            f" are of (one of {', '.join(sorted(ARCHITECTURES))})"
        )
    layers = {name for name in root.listed("layer_names") or [] if root.group(name).listed("weight_names")}
    if layers != _DEEPID_LAYERS:
        raise InputError(
            "weights without a configuration, and not DeepID's; expected a whole model, or its --architecture (one of"
            f" {', '.join(sorted(ARCHITECTURES))})"
        )
    return "deepid"


def _shape(root: SuspectGroup, layer: str, number: int) -> tuple[int, ...]:
    if layer not in root:
        raise InputError(f"no layer {quoted(layer)} among the weights; expected those of the architecture")
    group = root.group(layer)
    names = group.listed("weight_names") or []
    if number >= len(names):
        raise InputError(f"layer {quoted(layer)}: {len(names)} weights; expected a kernel and a bias")
    return group.shape(names[number])


def _classes(bias: tuple[int, ...]) -> int:
    if len(bias) != 1 or bias[0] < 2:
        raise InputError(f"layer 'output': a bias of the shape {bias}; expected one number a class")
    return bias[0]


def _deepid_image_shape(root: SuspectGroup, otherwise: ImageShape | None) -> ImageShape:
    """Channels from conv_1; height and width are DeepID's own, if the dense layers agree; else what is given."""
    kernel, shallow, deep = (_shape(root, layer, 0) for layer in ("conv_1", "fc_1", "fc_2"))
    height, width, _ = FACE_SHAPE
    rows = (
        60 * pool_3_extent(height) * pool_3_extent(width),
        80 * conv_4_extent(height) * conv_4_extent(width),
    )
    if len(kernel) != 4 or (shallow[:1], deep[:1]) != ((rows[0],), (rows[1],)):
        if otherwise is not None:
            return otherwise
        raise InputError(
            f"DeepID's dense layers have {shallow[:1]} and {deep[:1]} inputs; expected {rows}, those of"
            f" {height} x {width} images, or a whole model file"
        )
    if kernel[2] not in (1, 3):
        raise InputError(f"layer 'conv_1': a kernel for {kernel[2]} channels; expected 1 or 3")
    return height, width, kernel[2]
