"""What a network answers, in probabilities, to raw images."""

from collections.abc import Callable

import numpy as np

from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras, tf

# [b, H, W, C] on the scale 0..255, of any dtype -> float32 [b, N], each row summing to 1
Answers = Callable[[np.ndarray], np.ndarray]


def answers_of(model: keras.Model, input_scale: InputScale) -> Answers:
    """A network's probabilities.

    Args:
        model: softmax or logits out; it is not changed.
        input_scale: what it expects of pixels.
    """
    network = with_probabilities(model)
    shape = [None, *network.input_shape[1:]]
    answer = tf.function(
        lambda images: network(images, training=False), input_signature=[tf.TensorSpec(shape, tf.float32)]
    )
    return lambda images: answer(tf.constant(input_scale.apply(images), tf.float32)).numpy()
