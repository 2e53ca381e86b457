"""What `bench.models` tries with a network that opened: to repair it, and to convert it."""

import os
from collections.abc import Sequence

import numpy as np

from goodnet.data.errors import InputError
from goodnet.export.conversion import convert_classifier
from goodnet.export.parity import check_classifier_parity
from goodnet.models.channels.gates import default_gated_convolutions, gate_groups
from goodnet.models.channels.layer_graph import layer_graph
from goodnet.models.channels.removal import remove_channels
from goodnet.models.classifier import classifier_facts
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras as keras_2


def repaired(model: keras_2.Model) -> str:
    """Prunes a network and trains it one step: "pruned", "unpruned", or why it can't be done."""
    images = noise(model.input_shape[1:])
    try:
        graph = layer_graph(model)
        groups = gate_groups(graph, default_gated_convolutions(graph))
        closed = {site: np.arange(group.channels) < group.channels // 2 for group in groups for site in group.sites}
        reduced, done = remove_channels(model, closed, images), "pruned"
    except InputError as error:
        if "nothing to prune" not in str(error):
            return str(error)
        reduced, done = model, "unpruned"
    logits = classifier_facts(reduced).logits
    reduced.compile("sgd", keras_2.losses.SparseCategoricalCrossentropy(from_logits=logits))
    loss = reduced.train_on_batch(images, np.arange(len(images)) % reduced.output_shape[1])
    return done if np.isfinite(loss) else f"{done}, loss {loss}"


def exported(model: keras_2.Model, folder: str) -> str:
    """Converts a network to int8: the share of images that get the same class, or why it can't be done."""
    pixels = np.random.default_rng(2).integers(0, 256, (32, *model.input_shape[1:])).astype(np.uint8)
    path = os.path.join(folder, "model.tflite")
    try:
        with open(path, "wb") as file:
            file.write(convert_classifier(model, UNIT_SCALE, list(pixels)))
        return f"{check_classifier_parity(model, UNIT_SCALE, path, pixels).label_share:.0%}"
    except Exception as error:  # A table of what becomes of networks has a line for whatever does.
        return " ".join(str(error).split())[:80]


def noise(shape: Sequence[int]) -> np.ndarray:
    """Noise of 0..255 and of 0..1: on one of them no softmax is sure of itself."""
    pixels = np.random.default_rng(1).uniform(0, 1, (4, *shape))
    return (pixels * np.array([255, 255, 1, 1]).reshape(4, *[1] * len(shape))).astype(np.float32)
