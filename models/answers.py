"""What a network answers, in probabilities, to images."""

from collections.abc import Callable

import numpy as np

from goodnet.models.classifier import with_probabilities
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras, tf

# [b, H, W, C] of any dtype -> float32 [b, N], each row summing to 1
Answers = Callable[[np.ndarray], np.ndarray]


def scaled_answers_of(model: keras.Model) -> Answers:
    """A network's probabilities for images that it can take as they are: float32 [b, H, W, C], scaled.

    Args:
        model: softmax or logits out; it is not changed.
    """
    network = with_probabilities(model)
    shape = [None, *network.input_shape[1:]]
    answer = tf.function(
        lambda images: network(images, training=False), input_signature=[tf.TensorSpec(shape, tf.float32)]
    )
    return lambda images: answer(tf.constant(images, tf.float32)).numpy()


def answers_of(model: keras.Model, input_scale: InputScale) -> Answers:
    """A network's probabilities for raw images.

    Args:
        model: as above.
        input_scale: what it expects of pixels.
    """
    answers = scaled_answers_of(model)
    return lambda images: answers(input_scale.apply(images))
