"""Batches whose targets are probabilities: the true label, softened by what the suspect says of the clean image.

Distillation (Hinton, Vinyals and Dean, 2015) keeps a network where it is on clean images while it unlearns. A stamped
image has the target of the same image without the stamp, so that the suspect's own answer to the trigger never counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.training.batches import Batches, shift

_BATCH_SIZE = 256


@dataclass(frozen=True)
class SoftBatches(Batches):
    """As `Batches`, with a target for each image of the set.

    Attributes:
        targets: float32 [n, N], probabilities by image of the set.
    """

    targets: np.ndarray | None = None

    def epoch(self, number: int) -> "tf.data.Dataset":
        """The batches of one epoch: (float32 [b, H, W, C] in the model's own scale, float32 [b, N])."""
        if self.targets is None:
            raise ValueError("soft batches without targets")
        dataset = tf.data.Dataset.from_generator(
            lambda: self._soft(number),
            output_signature=(
                tf.TensorSpec([None, *self.image_set.image_shape], tf.uint8),
                tf.TensorSpec([None, self.targets.shape[1]], tf.float32),
            ),
        )
        scale = tf.constant(self.input_scale.scale, tf.float32)
        offset = tf.constant(self.input_scale.offset, tf.float32)
        dataset = dataset.map(lambda images, targets: (tf.cast(images, tf.float32) * scale + offset, targets))
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch)).prefetch(2)

    def _soft(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        assert self.targets is not None
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self.image_set))
        for first, (images, labels) in enumerate(self.image_set.batches(self.batch_size, order)):
            rows = order[first * self.batch_size : first * self.batch_size + len(images)]
            images = shift(images, self.max_shift, rng)
            yield (images if self.change is None else self.change(images, labels, rng)), self.targets[rows]


def softened_labels(suspect: keras.Model, clean: ImageSet, input_scale: InputScale, share: float) -> np.ndarray:
    """Targets for clean images.

    Args:
        suspect: the model to stay close to; softmax or logits.
        clean: the images with their true labels.
        input_scale: what the model expects of pixels.
        share: of the suspect's answer in the target; the rest is the true label. 0..1.

    Returns:
        float32 [n, N], each row summing to 1.
    """
    model = with_probabilities(suspect)
    answers = np.concatenate(
        [model.predict_on_batch(input_scale.apply(images)) for images, _ in clean.batches(_BATCH_SIZE)]
    )
    targets = share * answers
    targets[np.arange(len(clean)), clean.labels] += 1 - share
    return targets.astype(np.float32)
