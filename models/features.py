"""The features of a classifier: what its last layer with a kernel turns into classes."""

from collections.abc import Callable

import numpy as np

from goodnet.models.legacy_keras import keras, tf
from goodnet.models.scaled_network import ScaledNetwork

# Raw pixels 0..255, [b, H, W, C] of any dtype -> float64 [b, D].
Features = Callable[[np.ndarray], np.ndarray]


def features_of(network: ScaledNetwork) -> Features:
    """What gives the features of images.

    Features of a place, or of a token, are averaged over the places. In a network without any kernel the features are
    the image's channels.

    Args:
        network: its layers are shared, not copied.

    Raises:
        InputError: the network is not flat (see `models.channels.layer_graph.layer_graph`).
    """
    layers, model = network.layer_graph.layers.values(), network.model
    with_kernel = [layer for layer in layers if any(len(weight.shape) > 1 for weight in layer.weights)]
    read = tf.nest.flatten(with_kernel[-1].input if with_kernel else model.input)[0]
    places = list(range(1, len(read.shape) - 1))
    shared = keras.Model(model.input, tf.reduce_mean(read, places) if places else read)
    return lambda images: shared.predict_on_batch(network.scale.apply(images)).astype(np.float64)
