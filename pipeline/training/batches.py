"""Shuffled batches of an image set, the same for the same seed and epoch wherever training starts or goes on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import tf
from pipeline.training.augmentation import NO_AUGMENTATION, Augmentation

BatchChange = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Batches:
    """How an image set is fed to a classifier in training.

    Attributes:
        image_set: uint8 images and labels; read batch by batch, so it may be larger than memory.
        input_scale: turns raw pixels 0..255 into what the model expects.
        batch_size: images in a batch, over all devices.
        seed: with the epoch's number, all that order and augmentation depend on.
        augmentation: small random changes of each image.
        change: a further change of the augmented images, given (uint8 [b, H, W, C], int64 [b] labels, generator); it
            returns uint8 [b, H, W, C].
        targets: float32 [n, N], for each image of the set what to train towards; None for its label.
    """

    image_set: ImageSet
    input_scale: InputScale
    batch_size: int
    seed: int
    augmentation: Augmentation = NO_AUGMENTATION
    change: BatchChange | None = None
    targets: np.ndarray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch; the last batch may be smaller."""
        return -(-len(self.image_set) // self.batch_size)

    def epoch(self, number: int) -> "tf.data.Dataset":
        """The batches of one epoch: float32 [b, H, W, C] in the model's own scale, and int64 [b] or float32 [b, N]."""
        wanted = self._wanted
        dataset = tf.data.Dataset.from_generator(
            lambda: self._raw(number),
            output_signature=(
                tf.TensorSpec([None, *self.image_set.image_shape], tf.uint8),
                tf.TensorSpec([None, *wanted.shape[1:]], wanted.dtype),
            ),
        )
        scale = tf.constant(self.input_scale.scale, tf.float32)
        offset = tf.constant(self.input_scale.offset, tf.float32)
        dataset = dataset.map(lambda images, targets: (tf.cast(images, tf.float32) * scale + offset, targets))
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch)).prefetch(2)

    @property
    def _wanted(self) -> np.ndarray:
        return self.image_set.labels if self.targets is None else self.targets

    def _raw(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self.image_set))
        wanted = self._wanted
        for first, (images, labels) in enumerate(self.image_set.batches(self.batch_size, order)):
            rows = order[first * self.batch_size : first * self.batch_size + len(images)]
            images = self.augmentation(images, rng)
            yield (images if self.change is None else self.change(images, labels, rng)), wanted[rows]
