"""Images on which the two nets of a detector contradict each other, found by following the gradient of the suspicion.

Where the nets are much alike, a detector flags nothing that is drawn at random, and a file that flags nothing at all
would pass the parity check. Signed steps uphill from clean images (Kurakin, Goodfellow and Bengio, "Adversarial
examples in the physical world", ICLR workshop 2017) reach the flagged side of any detector that has one. No trigger is
known or needed.
"""

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.models.detector import take_apart
from goodnet.models.legacy_keras import keras, tf, traced

_STEPS = 10
_GREY_LEVELS = 12.0
# A gradient keeps what every layer of both nets made, so it has so many times fewer images at once than an answer.
_KEPT = 4


def provoked(detector: keras.Model, images: np.ndarray) -> np.ndarray:
    """Moves images to where the detector is suspicious.

    Args:
        detector: a model of `models.detector.build_detector`.
        images: uint8 [n, H, W, C].

    Returns:
        uint8 [n, H, W, C]; the same images where the nets agree whatever they are shown.
    """
    scorer = take_apart(detector).scorer

    @traced(reduce_retracing=True)
    def uphill(pixels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            suspicion = tf.reduce_sum(scorer(pixels, training=False)[2])
        slope = tape.gradient(suspicion, pixels)
        # A net without a gradient, or with one that is not finite, leaves its images where they are.
        slope = tf.zeros_like(pixels) if slope is None else tf.where(slope == slope, slope, 0.0)
        return tf.clip_by_value(pixels + _GREY_LEVELS * tf.sign(slope), 0.0, 255.0)

    at_once = max(1, images_at_once(images.shape[1:]) // _KEPT)
    moved = np.empty_like(images)
    for start in range(0, len(images), at_once):
        batch = tf.constant(images[start : start + at_once], tf.float32)
        for _ in range(_STEPS):
            batch = uphill(batch)
        moved[start : start + at_once] = np.rint(batch.numpy())
    return moved
