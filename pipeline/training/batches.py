"""Shuffled batches of an image set, the same for the same seed and epoch wherever training starts or goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import tf
from goodnet.pipeline.training.augmentation import NO_AUGMENTATION, Augmentation


class BatchTransform(Protocol):
    """Turns a batch of augmented images and labels into the images that a network sees and its soft targets."""

    @property
    def classes(self) -> int:
        """N, the number of classes."""

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Takes uint8 [b, H, W, C] and int64 [b] labels, gives uint8 [b, H, W, C] and float32 [b, N] targets."""


@dataclass(frozen=True)
class Batches:
    """How an image set is fed to a classifier in training.

    Attributes:
        image_set: uint8 images and labels; read batch by batch, so it may be larger than memory.
        input_scale: turns raw pixels 0..255 into what the model expects.
        batch_size: images in a batch, over all devices.
        seed: with the epoch's number, all that order and augmentation depend on.
        augmentation: small random changes of each image.
        transform: gives the images that are shown and their soft targets, in place of the augmented images and labels.
        passes: over the set in an epoch. An epoch costs some tenths of a second of itself, which of a small set is most
            of its time.
    """

    image_set: ImageSet
    input_scale: InputScale
    batch_size: int
    seed: int
    augmentation: Augmentation = NO_AUGMENTATION
    transform: BatchTransform | None = None
    passes: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch; the last batch of a pass may be smaller."""
        return self.passes * -(-len(self.image_set) // self.batch_size)

    def epoch(self, number: int) -> "tf.data.Dataset":
        """The batches of one epoch: float32 [b, H, W, C] in the model's own scale, and int64 [b] or float32 [b, N]."""
        targets = tf.TensorSpec([None], tf.int64)
        if self.transform is not None:
            targets = tf.TensorSpec([None, self.transform.classes], tf.float32)
        dataset = tf.data.Dataset.from_generator(
            lambda: self._raw(number),
            output_signature=(tf.TensorSpec([None, *self.image_set.image_shape], tf.uint8), targets),
        )
        dataset = dataset.map(lambda images, targets: (self.input_scale.tensor(tf.cast(images, tf.float32)), targets))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch)).prefetch(2)
        options = tf.data.Options()
        # Nothing here can be tuned, and the end of an epoch waits until the tuner's thread wakes up, which sleeps twice
        # as long each time: up to as long as the epoch took.
        options.autotune.enabled = False
        return dataset.with_options(options)

    def _raw(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([self.seed, number])
        for _ in range(self.passes):
            for images, labels in self.image_set.batches(self.batch_size, rng.permutation(len(self.image_set))):
                images = self.augmentation(images, rng)
                yield (images, labels) if self.transform is None else self.transform(images, labels, rng)
