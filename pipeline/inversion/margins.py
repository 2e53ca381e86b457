"""The largest margin of each label: by how much a network prefers it, at most, to every other one, on any image.

A backdoor makes a network surer of its target than it is of other labels, somewhere among the images that no clean one
resembles. That holds whatever the trigger looks like, so this statistic sees triggers that are no small change, such as
warps. (It is that of MM-BD: Wang, Xiang, Miller and Kesidis, IEEE S&P 2024. They ascend from noise. Here it is from
clean images, where no network is so saturated that it has no slope.)
"""

from collections.abc import Sequence

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.legacy_keras import keras, tf, traced
from goodnet.models.log_probabilities import log_probabilities
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.search import LAST_RATE, MOST_PIXELS, clipped

# Of twice as many starts or steps the margins are hardly larger.
_STARTS, _STEPS = 2, 200
# Adam's, of pixels in 0..1, at the start.
_RATE = 0.1
# In place of the logit of the label itself where the largest of the others is sought.
_OUT_OF_REACH = 1e30


def largest_margins(network: ScaledNetwork, clean: ImageSet, labels: Sequence[int], seed: int) -> np.ndarray:
    """The largest difference, for each label, of its logit and the largest of the others.

    Args:
        network: the suspect.
        clean: clean images, to start from.
        labels: in question.
        seed: of the images.

    Returns:
        float64 [labels], nats. At most 0 where no image was found that gets the label.
    """
    height, width, _ = clean.image_shape
    at_once = max(1, MOST_PIXELS // (height * width))
    ascended = np.repeat(np.array(labels, np.int64), _STARTS)
    starts = np.random.default_rng([seed, 13]).integers(len(clean), size=len(ascended))
    margins = [
        _ascended(network, clean.images(starts[first : first + at_once]), ascended[first : first + at_once])
        for first in range(0, len(ascended), at_once)
    ]
    return np.concatenate(margins).reshape(len(labels), _STARTS).max(axis=1)


def _ascended(network: ScaledNetwork, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The largest margins on the way up from images, uint8 [n, H, W, C], a label of int64 [n] each: float64 [n]."""
    pixels = tf.Variable(tf.constant(images, tf.float32) / 255)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_RATE, _STEPS, alpha=LAST_RATE))

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            scaled = network.scale.tensor(255 * clipped(tf.identity(pixels)))
            logs = log_probabilities(network.model, scaled)
            own = tf.gather(logs, tf.constant(labels), axis=1, batch_dims=1)
            others = tf.where(tf.one_hot(labels, logs.shape[1], True, False), -_OUT_OF_REACH, logs)
            margin = own - tf.reduce_max(others, axis=1)
            loss = -tf.reduce_sum(margin)
        optimizer.apply_gradients([(tape.gradient(loss, pixels), pixels)])
        return margin

    climb = traced(step)
    largest = np.full(len(labels), -np.inf)
    for _ in range(_STEPS):
        largest = np.fmax(largest, climb().numpy())
    return largest
