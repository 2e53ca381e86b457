"""Layers and activations that Keras 2 lacks, or that surgery and export do not know, built of layers that all know.

Each takes the settings that `layer_rules` has checked, and gives what a layer is: something that is called on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.settings_checks import KERAS_3_HARD_SIGMOID

LayerCall = Callable[[Any], Any]
"""What a layer is called on -> its output: a tensor, or a list of them."""

FreeName = Callable[[str], str]
"""A suffix -> a free name that begins with the layer's own; none for the name itself."""

_NORMALIZATION_EPSILON = 1e-7


def normalization(
    settings: Mapping[str, Any], weights: Sequence[np.ndarray], shape: Sequence[int | None], name: FreeName
) -> LayerCall:
    """A Rescaling that does what the Normalization layer did: (x - mean) / max(sqrt(variance), 1e-7)."""
    axis = settings.get("axis", -1)
    if axis not in (None, -1, len(shape)):
        raise InputError(f"it normalises along axis {axis}; expected channels, the last one")
    mean, variance = weights[:2] if weights else (settings["mean"], settings.get("variance"))
    if variance is None:
        raise InputError("a mean without a variance; expected both")
    scale = 1 / np.maximum(np.sqrt(np.asarray(variance, np.float64)), _NORMALIZATION_EPSILON)
    offset = -np.asarray(mean, np.float64) * scale
    return keras.layers.Rescaling(np.squeeze(scale).tolist(), np.squeeze(offset).tolist(), name=name(""))


def layer_scale(
    settings: Mapping[str, Any], weights: Sequence[np.ndarray], shape: Sequence[int | None], name: FreeName
) -> LayerCall:
    """ConvNeXt's factor for each channel, as a depthwise convolution of one pixel."""
    (gamma,) = weights
    if len(shape) != 3 or shape[-1] != len(gamma):
        raise InputError(f"factors for {len(gamma)} channels on {list(shape)}; expected [height, width, channels]")
    layer = keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer="zeros", name=name(""))
    layer.build((None, *shape))
    layer.set_weights([gamma.reshape(1, 1, -1, 1)])
    return layer


def custom_scale_layer(
    settings: Mapping[str, Any], weights: Sequence[np.ndarray], shape: Sequence[int | None], name: FreeName
) -> LayerCall:
    """InceptionResNetV2's sum of a tensor and another one times a number."""
    scaled = keras.layers.Rescaling(settings["scale"], name=name("scale"))
    added = keras.layers.Add(name=name(""))
    return lambda given: added([given[0], scaled(given[1])])


def random_crop(
    settings: Mapping[str, Any], weights: Sequence[np.ndarray], shape: Sequence[int | None], name: FreeName
) -> LayerCall:
    """Keras 2's at inference: the largest piece of the middle that has the right proportions, resized."""
    size = (settings["height"], settings["width"])
    if tuple(shape[:2]) == size:
        return lambda given: given
    if settings.get("same_size"):
        raise InputError(f"it crops {list(shape)} to {list(size)}, which versions of Keras do otherwise; expected none")
    return keras.layers.Resizing(*size, crop_to_aspect_ratio=True, name=name(""))


SUBSTITUTES: Mapping[
    str, Callable[[Mapping[str, Any], Sequence[np.ndarray], Sequence[int | None], FreeName], LayerCall]
] = {
    "Normalization": normalization,
    "LayerScale": layer_scale,
    "CustomScaleLayer": custom_scale_layer,
    "RandomCrop": random_crop,
}


def _hard_sigmoid(scale: float) -> Callable[[FreeName], LayerCall]:
    def build(name: FreeName) -> LayerCall:
        line = keras.layers.Rescaling(scale, 0.5, name=name("line"))
        clipped = keras.layers.ReLU(1.0, name=name("clipped"))
        return lambda given: clipped(line(given))

    return build


def _hard_silu(name: FreeName) -> LayerCall:
    gate, product = _hard_sigmoid(1 / 6)(name), keras.layers.Multiply(name=name("product"))
    return lambda given: product([given, gate(given)])


def _log_softmax(name: FreeName) -> LayerCall:
    layer = keras.src.layers.core.tf_op_layer.TFOpLambda(tf.nn.log_softmax, name=name("log_softmax"))
    return lambda given: layer(given, axis=-1)


_ACTIVATIONS: Mapping[str, Callable[[FreeName], LayerCall]] = {
    "hard_sigmoid": _hard_sigmoid(0.2),
    KERAS_3_HARD_SIGMOID: _hard_sigmoid(1 / 6),
    "hard_silu": _hard_silu,
    "log_softmax": _log_softmax,
}
# How many numbers they make inside themselves, for one that they give.
LAYERS_OF_AN_ACTIVATION = 3


def substitute_activation(
    activation: Any, name: FreeName, built_in: Callable[[str, Mapping[str, Any], str], keras.layers.Layer]
) -> LayerCall | None:
    """What follows a layer in place of its activation; None where Keras 2 has it.

    Args:
        activation: the checked setting: a name, or class and settings of a layer.
        name: as above.
        built_in: makes a layer of a class, settings and a name.
    """
    if isinstance(activation, dict):
        kind, settings = activation["class_name"], dict(activation["config"])
        inner = substitute_activation(settings.get("activation"), name, built_in)
        return inner or built_in(kind, settings, name("activation"))
    return _ACTIVATIONS[activation](name) if activation in _ACTIVATIONS else None
