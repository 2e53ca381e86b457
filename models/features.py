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
    """
    model = network.model
    read = _read_by_the_last_kernel(model)
    places = list(range(1, len(read.shape) - 1))
    shared = keras.Model(model.input, tf.reduce_mean(read, places) if places else read)
    return lambda images: shared.predict_on_batch(network.scale.apply(images)).astype(np.float64)


def _read_by_the_last_kernel(model: keras.Model) -> tf.Tensor:
    """Goes back from the outputs call by call, since a layer may be used more than once."""
    pending = list(model.outputs)
    seen = set(map(id, pending))
    for tensor in pending:
        layer, call, _ = tensor._keras_history
        read = layer._inbound_nodes[call].keras_inputs
        if any(len(weight.shape) > 1 for weight in layer.weights):
            return read[0]
        pending += [one for one in read if id(one) not in seen]
        seen.update(map(id, read))
    return model.input
