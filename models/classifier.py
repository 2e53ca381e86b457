"""What a network must be to count as an image classifier, read off its configuration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.models.channels.elementwise import is_activation_layer, operation
from goodnet.models.legacy_keras import keras, tf

_PASSES_THROUGH = ("Dropout", "Flatten", "Reshape", "SpatialDropout2D", "Dropout2D", "AlphaDropout")


@dataclass(frozen=True)
class ClassifierFacts:
    """What a classifier takes and gives.

    Attributes:
        image_shape: (height, width, channels) of one image; channels are 1 or 3.
        classes: number of classes, N.
        logits: True when the outputs are logits, False when they are softmax probabilities.
    """

    image_shape: tuple[int, int, int]
    classes: int
    logits: bool


def classifier_facts(model: keras.Model) -> ClassifierFacts:
    """Reads off a model's configuration what it takes and gives; nothing is computed.

    Probabilities that no softmax gave are not seen here: see `models.class_outputs`, through which every suspect goes.

    Args:
        model: any Keras 2 model.

    Returns:
        The facts.

    Raises:
        InputError: the model does not take one image and give one [B, N] vector of softmax probabilities or logits.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"model {model.name!r}: it has {len(model.inputs)} inputs and {len(model.outputs)} outputs; expected one"
            " image in and one [B, N] out"
        )
    taken, given = tuple(model.inputs[0].shape), tuple(model.outputs[0].shape)
    if len(taken) != 4 or None in taken[1:] or taken[3] not in (1, 3):
        raise InputError(
            f"model {model.name!r}: its input is {_shape(taken)}; expected images of a fixed size, channels last: [B,"
            " height, width, 1 or 3]"
        )
    if len(given) != 2 or given[1] is None or given[1] < 2:
        raise InputError(f"model {model.name!r}: its output is {_shape(given)}; expected [B, N] with N >= 2 classes")
    activation = _output_activation(model)
    if activation not in ("softmax", "linear"):
        raise InputError(
            f"model {model.name!r}: its output activation is {activation!r}; expected softmax, or none (logits)"
        )
    return ClassifierFacts((taken[1], taken[2], taken[3]), given[1], logits=activation == "linear")


def with_probabilities(model: keras.Model) -> keras.Model:
    """The model itself when it ends in softmax, else one that shares its layers and adds a `Softmax` layer.

    Args:
        model: an image classifier.

    Returns:
        A model, float32 [B, H, W, C] -> float32 [B, N], each row summing to 1.

    Raises:
        InputError: as `classifier_facts`.
    """
    if not classifier_facts(model).logits:
        return model
    softmax = keras.layers.Softmax(name=free_name(model, "probabilities"))
    return keras.Model(model.inputs, softmax(model.outputs[0]), name=model.name)


def free_name(model: keras.Model, name: str) -> str:
    """A name for a new layer, like the given one, that no layer of the model has."""
    names = {layer.name for layer in model.layers}
    while name in names:
        name += "_"
    return name


def check_fits(facts: ClassifierFacts, image_set: ImageSet) -> None:
    """Checks that a set of images can be given to a classifier.

    Args:
        facts: what the classifier takes and gives.
        image_set: the images and labels.

    Raises:
        InputError: the set is empty, its class names are more or fewer than the outputs, its images have another size
            or number of channels, or a label is outside [0, N - 1].
    """
    if len(image_set) == 0:
        raise InputError(f"{image_set.name}: no images; expected at least one")
    names = image_set.class_names
    if names is not None and len(names) != facts.classes:
        raise InputError(
            f"{image_set.name}: {len(names)} class names (or class folders), but the model has {facts.classes} outputs;"
            " expected a name for each, also of classes without images: --class_names=FILE gives them in the order of"
            " the outputs"
        )
    shape = tuple(image_set.image_shape)
    if shape != facts.image_shape:
        raise InputError(f"{image_set.name}: images are {_size(shape)}; the model expects {_size(facts.image_shape)}")
    lowest, highest = int(np.min(image_set.labels)), int(np.max(image_set.labels))
    if lowest < 0 or highest >= facts.classes:
        raise InputError(
            f"{image_set.name}: labels run from {lowest} to {highest}; the model has {facts.classes} classes, expected"
            f" 0 to {facts.classes - 1} (--class_names=FILE names the classes of folders in the order of the outputs)"
        )


def _shape(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("B" if axis == 0 else str(extent or "any") for axis, extent in enumerate(shape)) + "]"


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(extent) for extent in shape)


def _output_activation(model: keras.Model) -> str:
    """Name of the last function applied, seen through layers that only rearrange: "softmax", "linear" or another."""
    return _activation_of(model.outputs[0])


def _activation_of(tensor: tf.Tensor) -> str:
    layer, node_index, tensor_index = tensor._keras_history
    if isinstance(layer, keras.Model):
        return _activation_of(layer.outputs[tensor_index])
    if isinstance(layer, keras.layers.Softmax):
        return "softmax" if layer.axis in (-1, len(tensor.shape) - 1) else f"softmax over axis {layer.axis}"
    if is_activation_layer(layer) and operation(layer) is not None:
        return str(operation(layer))
    activation = getattr(layer, "activation", None)
    name = "linear" if activation is None else keras.activations.serialize(activation)
    name = name if isinstance(name, str) else str(name)
    sees_through = type(layer).__name__ in _PASSES_THROUGH or isinstance(layer, keras.layers.Activation)
    if name == "linear" and sees_through and not isinstance(layer, keras.layers.InputLayer):
        return _activation_of(layer.inbound_nodes[node_index].keras_inputs[0])
    if isinstance(layer, keras.layers.ReLU | keras.layers.LeakyReLU | keras.layers.PReLU | keras.layers.ELU):
        return type(layer).__name__
    return name
