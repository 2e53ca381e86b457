"""Inverting triggers: for many labels at once, the smallest mask and pattern that turn images into them.

Neural Cleanse (Wang et al., IEEE S&P 2019, section 4) with its targets stacked: Adam works element by element, so that
targets stay independent of each other in one batch, each with a penalty weight of its own that rises while its trigger
works and falls while it does not.

Two families of triggers share the search. A patch has a mask value for each pixel; a blended pattern (Chen et al.,
"Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning", 2017) has one for all of them, since a sum
over pixels would never favour a faint mask everywhere over a dense one somewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.inversion.penalty import Penalty
from pipeline.inversion.trigger import InvertedTrigger


@dataclass(frozen=True)
class InversionSettings:
    """How triggers are inverted.

    Attributes:
        steps: optimizer steps for each label.
        batch_size: images that each label's trigger is tried on in a step.
        learning_rate: Adam's, on the logits of mask and pattern.
        success: share of a batch from which on a trigger counts as working, 0..1.
        first_weight: the first weight of the mask's share of the image against the cross-entropy.
        patience: steps in a row of success, or of failure, before the weight changes.
        labels_at_once: labels stacked in one batch; bounds the memory.
        uniform: look for patterns blended into the whole image instead of patches.
        grain: pixels between the points that a patch's mask and pattern are given at; between them they are
            interpolated. Single pixels (1) end in noise that only this network takes for a trigger; a coarse grain
            ends in areas of one colour, as printed and drawn triggers have them.
        least_probability: what a label's probability counts as at least. Below it the search feels no slope: of a
            network with many classes a label far away is then not found at all, whatever the steps.
        seed: of the first masks and of the images' order.
    """

    steps: int = 250
    batch_size: int = 32
    learning_rate: float = 0.1
    success: float = 0.98
    first_weight: float = 4.0
    patience: int = 5
    labels_at_once: int = 64
    uniform: bool = False
    grain: int = 1
    least_probability: float = 1e-8
    seed: int = 0


def invert_triggers(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    labels: Sequence[int],
    settings: InversionSettings,
) -> tuple[InvertedTrigger, ...]:
    """Finds for each label the smallest trigger that leads other classes' images to it.

    Args:
        model: the suspect, softmax or logits; it is not changed.
        clean: clean images. A label's own images are left out when its trigger is fitted.
        input_scale: what the model expects of pixels.
        labels: the labels to invert for; a label may occur several times, each time from another random start.
        settings: how.

    Returns:
        For each label the smallest trigger that reached the success rate on its batch, or, where none did, the one with
        the highest success; in the order of the labels.
    """
    probabilities = with_probabilities(model)
    found: list[InvertedTrigger] = []
    for first in range(0, len(labels), settings.labels_at_once):
        stack = np.asarray(labels[first : first + settings.labels_at_once], np.int64)
        search = _Search(probabilities, clean.image_shape, input_scale, stack, settings)
        batches = endless_batches(clean, settings.batch_size, settings.seed)
        for _ in range(settings.steps):
            search.step(*next(batches))
        found.extend(search.best())
    return tuple(found)


def endless_batches(clean: ImageSet, batch_size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled batches of one size for ever: uint8 [b, H, W, C] and int64 [b]; a smaller set is one batch."""
    rng = np.random.default_rng(seed)
    size = min(batch_size, len(clean))
    while True:
        for images, labels in clean.batches(size, rng.permutation(len(clean))):
            if len(images) == size:
                yield images, labels


class _Search:
    """The state of one stack of K labels."""

    def __init__(
        self,
        model: keras.Model,
        image_shape: tuple[int, int, int],
        input_scale: InputScale,
        labels: np.ndarray,
        settings: InversionSettings,
    ):
        rng = np.random.default_rng([settings.seed, 1])
        height, width, channels = image_shape
        count = len(labels)
        self._settings = settings
        self._labels = labels
        grid = (height, width) if settings.uniform else (-(-height // settings.grain), -(-width // settings.grain))
        mask_shape = (count, 1, 1, 1) if settings.uniform else (count, *grid, 1)
        self._size = (height, width)
        self._mask = tf.Variable(rng.normal(-1 if settings.uniform else -2, 0.5, mask_shape), dtype=tf.float32)
        self._pattern = tf.Variable(rng.normal(0, 0.5, (count, *grid, channels)), dtype=tf.float32)
        self._optimizer = keras.optimizers.Adam(settings.learning_rate, beta_1=0.5, beta_2=0.9)
        self._penalty = Penalty(count, settings.first_weight, settings.patience)
        self._best_size = np.full(count, np.inf)
        self._best_success = np.full(count, -1.0)
        self._best_mask = np.zeros((count, height, width, 1), np.float32)
        self._best_pattern = np.zeros((count, height, width, channels), np.float32)
        self._compiled = tf.function(self._update)
        self._model = model
        self._scale = (tf.constant(input_scale.scale, tf.float32), tf.constant(input_scale.offset, tf.float32))

    def step(self, images: np.ndarray, true_labels: np.ndarray) -> None:
        """One optimizer step on one batch for all labels."""
        others = (true_labels[None] != self._labels[:, None]).astype(np.float32)
        mask, pattern, success, size = (
            value.numpy()
            for value in self._compiled(
                tf.constant(images, tf.float32), tf.constant(others), tf.constant(self._penalty.weights)
            )
        )
        self._keep(mask, pattern, success, size)
        self._penalty.update(success >= self._settings.success)

    def best(self) -> list[InvertedTrigger]:
        """The best trigger of each label so far."""
        return [
            InvertedTrigger(int(label), mask, 255 * pattern, float(success), self._settings.uniform)
            for label, mask, pattern, success in zip(
                self._labels, self._best_mask, self._best_pattern, self._best_success, strict=True
            )
        ]

    def _update(
        self, images: tf.Tensor, others: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        count, batch = others.shape
        with tf.GradientTape() as tape:
            mask, pattern = self._whole(tf.sigmoid(self._mask)), self._whole(tf.sigmoid(self._pattern))
            stamped = images[None] * (1 - mask[:, None]) + 255 * pattern[:, None] * mask[:, None]
            scaled = stamped * self._scale[0] + self._scale[1]
            probabilities = self._model(tf.reshape(scaled, [-1, *images.shape[1:]]), training=False)
            probabilities = tf.reshape(probabilities, [count, batch, -1])
            wanted = tf.gather(probabilities, tf.constant(self._labels), axis=2, batch_dims=1)
            counted = tf.maximum(tf.reduce_sum(others, axis=1), 1)
            loss = -tf.reduce_sum(others * tf.math.log(wanted + self._settings.least_probability), axis=1) / counted
            size = tf.reduce_mean(mask, axis=[1, 2, 3])
            total = tf.reduce_sum(loss + weight * size)
        variables = [self._mask, self._pattern]
        self._optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        hits = tf.cast(tf.argmax(probabilities, axis=2) == self._labels[:, None], tf.float32)
        return mask, pattern, tf.reduce_sum(others * hits, axis=1) / counted, size

    def _whole(self, grid: tf.Tensor) -> tf.Tensor:
        return grid if grid.shape[1:3] == self._size else tf.image.resize(grid, self._size)

    def _keep(self, mask: np.ndarray, pattern: np.ndarray, success: np.ndarray, size: np.ndarray) -> None:
        works = success >= self._settings.success
        worked = self._best_success >= self._settings.success
        better = np.where(
            works, size < np.where(worked, self._best_size, np.inf), ~worked & (success > self._best_success)
        )
        self._best_size[better] = size[better]
        self._best_success[better] = success[better]
        self._best_mask[better] = mask[better]
        self._best_pattern[better] = pattern[better]
