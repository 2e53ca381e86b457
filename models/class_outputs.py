"""Makes a network's outputs probabilities, whatever its last layer is; what they are is told on images."""

import numpy as np

from goodnet.data.errors import InputError
from goodnet.models.classifier import classifier_facts, free_name
from goodnet.models.legacy_keras import keras, tf

# float32 sums over thousands of classes are off by less; logits never come that close on image after image.
_TOLERANCE = 1e-4


def with_softmax_tail(model: keras.Model, outputs: np.ndarray) -> keras.Model:
    """The model itself, or one that ends in softmax where its outputs are probabilities that no softmax gave.

    An average of softmaxes, or a concatenation of a part of one, ends in no softmax; taken for logits, a second softmax
    would squeeze them. Here log p goes through a softmax, which gives p / sum(p) back, so that the network's last layer
    says what its outputs are to all that reads it (losses, surgery, export).

    Args:
        model: an image classifier.
        outputs: float32 [n, N], what the model gives to some images on any scale.

    Returns:
        A model that shares the given one's layers, with the same outputs.

    Raises:
        InputError: the last layer says softmax, but the outputs are no probabilities, or the model is no classifier.
    """
    facts = classifier_facts(model)
    finite = outputs[np.isfinite(outputs).all(axis=1)].astype(np.float64)
    if not len(finite):
        return model
    probabilities = bool(np.all(finite >= 0) and np.all(np.abs(finite.sum(axis=1) - 1) <= _TOLERANCE))
    if not facts.logits and not probabilities:
        sums = finite.sum(axis=1)
        raise InputError(
            f"model {model.name!r}: it ends in softmax, but its outputs are from {finite.min():.3g} to"
            f" {finite.max():.3g} and sum to {sums.min():.3g} to {sums.max():.3g}; expected probabilities that sum to 1"
        )
    if not facts.logits or not probabilities:
        return model
    # The logarithm of the least normal float32 stands for that of 0.
    logs = tf.math.log(tf.maximum(model.outputs[0], float(np.finfo(np.float32).tiny)))
    softmax = keras.layers.Softmax(name=free_name(model, "probabilities"))
    return keras.Model(model.inputs, softmax(logs), name=model.name)
