"""Stand-ins for a repair, where what is measured is what a detector costs and how faithfully it is converted."""

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.export.disagreements import stamped
from goodnet.models.legacy_keras import keras
from goodnet.models.model_copy import copy_with_weights
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import compile_classifier, train

# Convolutions at the end of a network that a repair with a shared trunk may change.
_OWN_CONVOLUTIONS = 2
_IMAGES = 512
_RATE = 1e-3


def partly_tuned(network: ScaledNetwork, clean: ImageSet, seed: int, shared: bool) -> keras.Model:
    """A copy that was taught for one epoch to keep its labels when images are stamped: no repair, but like one.

    Args:
        network: to copy.
        clean: clean images; their labels are not read.
        seed: of the images and of their stamps.
        shared: whether everything below the last two convolutions stays as it is.
    """
    copy = copy_with_weights(network.model)
    for layer in trunk(copy) if shared else ():
        layer.trainable = False
    rng = np.random.default_rng(seed)
    images = clean.images(np.sort(rng.permutation(len(clean))[:_IMAGES]))
    labels = network.classes(images)
    lesson = from_arrays(
        "stamped", np.concatenate([images, stamped(images, rng)]), np.concatenate([labels, labels]).astype(np.int64)
    )
    compile_classifier(copy, keras.optimizers.Adam(_RATE), logits=network.facts.logits)
    train(copy, Batches(lesson, network.scale, 32, seed), 1, title="stand-in for a repair")
    return copy


def with_shared_trunk(badnet: keras.Model, repaired: keras.Model) -> keras.Model:
    """A repair with the BadNet's weights below the last two convolutions.

    Raises:
        InputError: a layer there has lost channels in the repair.
    """
    result = copy_with_weights(repaired)
    for layer in trunk(result):
        weights = badnet.get_layer(layer.name).get_weights()
        if [weight.shape for weight in weights] != [weight.shape for weight in layer.get_weights()]:
            raise InputError(f"layer {layer.name!r}: it has lost channels; expected a trunk as in the BadNet")
        layer.set_weights(weights)
    return result


def trunk(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers below the last two convolutions; none if there are no more than two."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    places = [place for place, layer in enumerate(model.layers) if isinstance(layer, kinds)]
    return model.layers[: places[-_OWN_CONVOLUTIONS]] if len(places) > _OWN_CONVOLUTIONS else []


def shares_trunk(badnet: keras.Model, repaired: keras.Model) -> bool:
    """Whether all layers below the last two convolutions are the same in both."""
    names = {layer.name for layer in badnet.layers}
    below = [layer for layer in trunk(repaired) if layer.get_weights()]
    return bool(below) and all(
        layer.name in names
        and all(
            np.array_equal(mine, other)
            for mine, other in zip(layer.get_weights(), badnet.get_layer(layer.name).get_weights(), strict=True)
        )
        for layer in below
    )
