"""The logarithm of a network's probabilities, with a slope however sure the network is.

A softmax in float32 rounds to 0 what lies 100 nats below the largest, and its slope vanishes long before that. A search
by gradients then finds nothing on a network whose logits are merely a few times larger, though its answers are the
same. So the logits under the softmax are taken, as Keras's own losses do.
"""

import numpy as np

from goodnet.models.classifier import classifier_facts
from goodnet.models.legacy_keras import keras, tf

_REARRANGING = ("Identity", "Reshape")


def log_probabilities(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """The logarithms of a network's probabilities; only inside a `tf.function`, whose graph shows the softmax.

    Args:
        model: softmax or logits out.
        images: float32 [b, H, W, C], scaled.

    Returns:
        float32 [b, N].
    """
    outputs = model(images, training=False)
    if classifier_facts(model).logits:
        return tf.nn.log_softmax(outputs)
    tensor = outputs
    while tensor.op.type in _REARRANGING:
        tensor = tensor.op.inputs[0]
    if tensor.op.type == "Softmax":
        return tf.nn.log_softmax(tf.reshape(tensor.op.inputs[0], tf.shape(outputs)))
    return tf.math.log(tf.maximum(outputs, float(np.finfo(np.float32).tiny)))
