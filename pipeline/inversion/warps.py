"""Inverting warps: for many labels at once, the smallest smooth displacement that leads images to them.

WaNet (Nguyen and Tran, ICLR 2021) bends every image a little, all in the same way; no mask and pattern, and no sum with
a pattern, does what a warp does. But one displacement of a coarse grid, interpolated, is all that such an attack has,
and it is found like a patch: by Adam, all labels in one batch, the root mean square displacement as the penalty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from data.triggers.warp import sample
from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.inversion.keeping import kept_columns
from pipeline.inversion.penalty import Penalty
from pipeline.inversion.search import endless_batches


@dataclass(frozen=True, eq=False)
class InvertedWarp:
    """A warp that was found for one label.

    Attributes:
        label: the label it leads to.
        displacement: float32 [H, W, 2], where each pixel comes from, x and y, in pixels.
        success: share of images it was fitted to, of other classes, that get the label, 0..1, in the step it is from.
    """

    label: int
    displacement: np.ndarray
    success: float

    @property
    def size(self) -> float:
        """The root mean square displacement, in pixels."""
        return float(np.sqrt((self.displacement**2).sum(axis=2).mean()))

    @property
    def described(self) -> str:
        """For people."""
        return f"a warp of {self.size:.2f} pixels"

    def stamp(self, images: np.ndarray) -> np.ndarray:
        """The warped images: uint8 [n, H, W, C] of uint8 images of the same shape."""
        return sample(images, self.displacement)


@dataclass(frozen=True)
class WarpSettings:
    """How warps are inverted.

    Attributes:
        steps: optimizer steps for each label.
        batch_size: images that each label's warp is tried on in a step.
        learning_rate: Adam's, on displacements in pixels.
        success: share of a batch from which on a warp counts as working, 0..1.
        first_weight: the first weight of the displacement, in pixels of an image 32 high, against the cross-entropy.
        patience: steps in a row of success, or of failure, before the weight changes.
        labels_at_once: labels stacked in one batch; bounds the memory.
        grid: points on each side of the grid of displacements.
        most: the largest displacement, as a share of the image's height.
        seed: of the first displacements and of the images' order.
    """

    steps: int = 60
    batch_size: int = 8
    learning_rate: float = 0.2
    success: float = 0.9
    first_weight: float = 0.3
    patience: int = 5
    labels_at_once: int = 64
    grid: int = 6
    most: float = 0.125
    seed: int = 0


def invert_warps(
    model: keras.Model, clean: ImageSet, input_scale: InputScale, labels: Sequence[int], settings: WarpSettings
) -> tuple[InvertedWarp, ...]:
    """Finds for each label the smallest warp that leads other classes' images to it.

    Args:
        model: the suspect, softmax or logits; it is not changed.
        clean: clean images; a label's own are left out when its warp is fitted.
        input_scale: what the model expects of pixels.
        labels: the labels; one may occur several times, each time from another random start.
        settings: how.

    Returns:
        For each label the smallest warp that reached the success rate on its batch, or, where none did, the one with
        the highest success; in the order of the labels.
    """
    probabilities = with_probabilities(model)
    found: list[InvertedWarp] = []
    for first in range(0, len(labels), settings.labels_at_once):
        stack = np.asarray(labels[first : first + settings.labels_at_once], np.int64)
        search = _Search(probabilities, clean.image_shape, input_scale, stack, settings)
        batches = endless_batches(clean, settings.batch_size, settings.seed)
        for _ in range(settings.steps):
            search.step(*next(batches))
        found.extend(search.best())
    return tuple(found)


def kept_warps(path: str, invert: Callable[[], Sequence[InvertedWarp]]) -> tuple[InvertedWarp, ...]:
    """The warps in a file; if there is none yet, those that `invert` finds, which are then kept there.

    Args:
        path: an .npz file of a run's working folder; it appears whole or not at all.
        invert: finds the warps.
    """

    def columns() -> dict[str, np.ndarray]:
        warps = invert()
        return {
            "label": np.array([warp.label for warp in warps], np.int64),
            "displacement": np.array([warp.displacement for warp in warps], np.float32),
            "success": np.array([warp.success for warp in warps], np.float64),
        }

    kept = kept_columns(path, columns)
    rows = zip(kept["label"], kept["displacement"], kept["success"], strict=True)
    return tuple(InvertedWarp(int(label), displacement, float(success)) for label, displacement, success in rows)


class _Search:
    """The state of one stack of K labels."""

    def __init__(
        self,
        model: keras.Model,
        image_shape: tuple[int, int, int],
        input_scale: InputScale,
        labels: np.ndarray,
        settings: WarpSettings,
    ):
        height, width, _ = image_shape
        rng = np.random.default_rng([settings.seed, 2])
        self._settings, self._labels, self._size = settings, labels, (height, width)
        self._most = settings.most * height
        grid = (len(labels), settings.grid, settings.grid, 2)
        self._displacement = tf.Variable(rng.normal(0, 0.1, grid), dtype=tf.float32)
        self._optimizer = keras.optimizers.Adam(settings.learning_rate, beta_1=0.5, beta_2=0.9)
        self._penalty = Penalty(len(labels), settings.first_weight * 32 / height, settings.patience)
        self._best_size = np.full(len(labels), np.inf)
        self._best_success = np.full(len(labels), -1.0)
        self._best = np.zeros((len(labels), height, width, 2), np.float32)
        self._model = model
        self._scale = (tf.constant(input_scale.scale, tf.float32), tf.constant(input_scale.offset, tf.float32))
        self._compiled = tf.function(self._update)

    def step(self, images: np.ndarray, true_labels: np.ndarray) -> None:
        """One optimizer step on one batch for all labels."""
        others = (true_labels[None] != self._labels[:, None]).astype(np.float32)
        weight = tf.constant(self._penalty.weights)
        displacement, success, size = (
            value.numpy() for value in self._compiled(tf.constant(images, tf.float32), tf.constant(others), weight)
        )
        works, worked = success >= self._settings.success, self._best_success >= self._settings.success
        smaller = size < np.where(worked, self._best_size, np.inf)
        better = np.where(works, smaller, ~worked & (success > self._best_success))
        self._best_size[better], self._best_success[better] = size[better], success[better]
        self._best[better] = displacement[better]
        self._penalty.update(works)

    def best(self) -> list[InvertedWarp]:
        """The best warp of each label so far."""
        return [
            InvertedWarp(int(label), displacement, float(success))
            for label, displacement, success in zip(self._labels, self._best, self._best_success, strict=True)
        ]

    def _update(
        self, images: tf.Tensor, others: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        count, batch = others.shape
        with tf.GradientTape() as tape:
            bounded = self._most * tf.tanh(self._displacement / self._most)
            displacement = tf.image.resize(bounded, self._size, "bicubic")
            scaled = _warped(images, displacement) * self._scale[0] + self._scale[1]
            probabilities = self._model(tf.reshape(scaled, [-1, *images.shape[1:]]), training=False)
            probabilities = tf.reshape(probabilities, [count, batch, -1])
            wanted = tf.gather(probabilities, tf.constant(self._labels), axis=2, batch_dims=1)
            counted = tf.maximum(tf.reduce_sum(others, axis=1), 1)
            loss = -tf.reduce_sum(others * tf.math.log(wanted + 1e-8), axis=1) / counted
            size = tf.sqrt(tf.reduce_mean(tf.reduce_sum(displacement**2, axis=3), axis=[1, 2]))
            total = tf.reduce_sum(loss + weight * size)
        gradient = tape.gradient(total, self._displacement)
        self._optimizer.apply_gradients([(gradient, self._displacement)])
        hits = tf.cast(tf.argmax(probabilities, axis=2) == self._labels[:, None], tf.float32)
        return displacement, tf.reduce_sum(others * hits, axis=1) / counted, size


def _warped(images: tf.Tensor, displacement: tf.Tensor) -> tf.Tensor:
    """Every image under every warp, sampled bilinearly, differentiable in the displacement.

    Args:
        images: float32 [B, H, W, C].
        displacement: float32 [K, H, W, 2], x and y in pixels.

    Returns:
        float32 [K, B, H, W, C].
    """
    count, height, width, channels = images.shape
    x = tf.clip_by_value(tf.range(width, dtype=tf.float32) + displacement[..., 0], 0, width - 1.0)
    y = tf.clip_by_value(tf.range(height, dtype=tf.float32)[:, None] + displacement[..., 1], 0, height - 1.0)
    # The last cell's far edge is its own, so that right and lower neighbours lie inside.
    left, top = tf.floor(tf.minimum(x, width - 2.0)), tf.floor(tf.minimum(y, height - 2.0))
    across, down = (x - left)[:, None, ..., None], (y - top)[:, None, ..., None]
    place = tf.cast(top * width + left, tf.int32)
    flat = tf.reshape(images, [count, height * width, channels])

    def at(offset: int) -> tf.Tensor:
        taken = tf.gather(flat, tf.reshape(place + offset, [-1]), axis=1)
        return tf.transpose(tf.reshape(taken, [count, -1, height, width, channels]), [1, 0, 2, 3, 4])

    upper = (1 - across) * at(0) + across * at(1)
    lower = (1 - across) * at(width) + across * at(width + 1)
    return (1 - down) * upper + down * lower
