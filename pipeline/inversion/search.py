"""Inverts triggers: finds, for many labels at once, the smallest change of an image that turns any image into a label.

This is Neural Cleanse (Wang et al., IEEE S&P 2019) with one universal additive perturbation (Moosavi-Dezfooli et al.,
CVPR 2017) in place of mask and pattern. Every pixel is free, so the search assumes no family of triggers: it finds a
shortcut of the network, which need not look like the trigger that was trained. The size of a change is one of two
norms: the sum over pixels of how far each is changed (the group lasso of Yuan and Lin, 2006), or the Euclidean norm.

The labels share a batch. Adam works element by element, so no label's search affects another's. A label's random start
follows from its place among the labels and from the seed. Each label has a weight of its size, which rises while its
trigger works and falls while it does not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.legacy_keras import keras, tf, traced
from goodnet.models.log_probabilities import log_probabilities
from goodnet.models.model_copy import copy_with_weights
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.trigger import InvertedTrigger

# Cross-entropy in nats, averaged over some batches, from which on a trigger works, and what counts as having worked.
_WORKS, _WORKED = 0.2, 0.5
_FIRST_WEIGHTS = {True: 0.03, False: 0.3}
_WEIGHT_STEP = 1.1
_MEMORY = 0.8
# Of the first learning rate.
_LAST_RATE = 0.1
# Of the steps; before that a size is on its way.
_SETTLING = 0.6
# Pixels of all images in a step: bounds the memory.
_MOST_PIXELS = 2**20


@dataclass(frozen=True)
class SearchSettings:
    """How to search for triggers.

    Attributes:
        sparse: for few pixels, otherwise for a faint change.
        steps: optimizer steps for each label.
        batch_size: images that each label's trigger is tried on in a step.
        learning_rate: Adam's, of pixels in 0..1, at the start; it falls by cosine to a tenth, which settles a size in
            half the steps that a constant rate takes.
        seed: of the first triggers and of the images' order.
    """

    sparse: bool = True
    steps: int = 320
    batch_size: int = 8
    learning_rate: float = 0.05
    seed: int = 0


def invert_triggers(
    network: ScaledNetwork, clean: ImageSet, labels: Sequence[int], settings: SearchSettings
) -> tuple[InvertedTrigger, ...]:
    """Finds for each label a small trigger that leads other classes' images to it.

    Args:
        network: the suspect.
        clean: clean images. A label's own images do not count for it.
        labels: what to invert for; a label may occur several times, each time from another random start.
        settings: how.

    Returns:
        A trigger for each label, in their order: of the settled steps the smallest that worked, or, where none did, the
        last. `works` tells which.
    """
    return _inverted(network, clean, labels, settings, {})


class SharedSearch:
    """Inverts triggers of several networks of one architecture, with steps that TensorFlow traces once for all."""

    def __init__(self, network: ScaledNetwork):
        """Copies a network, which stays as it is; the copy takes the weights of each network that is searched."""
        self._network = network.with_model(copy_with_weights(network.model))
        self._steps: _Steps = {}

    def invert(
        self, model: keras.Model, clean: ImageSet, labels: Sequence[int], settings: SearchSettings
    ) -> tuple[InvertedTrigger, ...]:
        """As `invert_triggers`, of a model that differs from the first network's in its weights only."""
        self._network.model.set_weights(model.get_weights())
        return _inverted(self._network, clean, labels, settings, self._steps)


def works(trigger: InvertedTrigger) -> bool:
    """Whether a trigger led its batches to the label. If it did not, its size means nothing."""
    return trigger.success >= np.exp(-_WORKED)


class _Step:
    """An optimizer step of K labels at once."""

    def __init__(self, network: ScaledNetwork, count: int, image_shape: tuple[int, ...], settings: SearchSettings):
        self._network, self._sparse = network, settings.sparse
        self.change = tf.Variable(tf.zeros((count, *image_shape)))
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps, alpha=_LAST_RATE)
        self._optimizer = keras.optimizers.Adam(rate)
        self._optimizer.build([self.change])
        self.take = traced(self._take, reduce_retracing=True)

    def begin(self, change: np.ndarray) -> None:
        """Starts anew from a change, float32 [K, H, W, C]."""
        self.change.assign(change)
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))

    def _take(
        self, images: tf.Tensor, labels: tf.Tensor, others: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes the step; the loss and the size of each label before it, float32 [K]."""
        count, batch = others.shape
        with tf.GradientTape() as tape:
            plain = images[None] / 255
            stamped = _clipped(plain + self.change[:, None])
            # Of each pixel, over images and channels.
            square = tf.reduce_mean(tf.square(stamped - plain), axis=[1, 4])
            if self._sparse:
                # Without the root's infinite slope at 0.
                size = tf.reduce_sum(tf.sqrt(square + 1e-6) - 1e-3, axis=[1, 2])
            else:
                size = tf.sqrt(tf.reduce_sum(square, axis=[1, 2]) + 1e-9)
            scaled = self._network.scale.tensor(tf.reshape(255 * stamped, [-1, *images.shape[1:]]))
            logs = tf.reshape(log_probabilities(self._network.model, scaled), [count, batch, -1])
            losses = -tf.gather(logs, labels, axis=2, batch_dims=1)
            loss = tf.reduce_sum(others * losses, axis=1) / tf.maximum(tf.reduce_sum(others, axis=1), 1)
            total = tf.reduce_sum(loss + weights * size)
        self._optimizer.apply_gradients([(tape.gradient(total, self.change), self.change)])
        return loss, size


_Steps = dict[tuple[int, SearchSettings], _Step]
"""By the number of labels and the settings, their seed set to 0; all of one network and one image shape."""


def _inverted(
    network: ScaledNetwork, clean: ImageSet, labels: Sequence[int], settings: SearchSettings, steps: _Steps
) -> tuple[InvertedTrigger, ...]:
    height, width, _ = clean.image_shape
    at_once = max(1, _MOST_PIXELS // (height * width * settings.batch_size))
    found: list[InvertedTrigger] = []
    for first in range(0, len(labels), at_once):
        some = np.array(labels[first : first + at_once], np.int64)
        rng = np.random.default_rng([settings.seed, first])
        key = len(some), replace(settings, seed=0)
        if key not in steps:
            steps[key] = _Step(network, len(some), clean.image_shape, settings)
        steps[key].begin(rng.normal(0, 0.02, (len(some), *clean.image_shape)).astype(np.float32))
        found += _searched(steps[key], clean, some, settings)
    return tuple(found)


def _searched(step: _Step, clean: ImageSet, wanted: np.ndarray, settings: SearchSettings) -> list[InvertedTrigger]:
    """The triggers that all steps of a search lead to, for labels int64 [K]."""
    count = len(wanted)
    weights = np.full(count, _FIRST_WEIGHTS[settings.sparse], np.float32)
    # Of an unknown trigger: far from working.
    loss = np.full(count, -np.log(0.05))
    best_size, best = np.full(count, np.inf), np.zeros(step.change.shape, np.float32)
    best_loss = np.full(count, np.inf)
    size = np.zeros(count)
    batches = _endless_batches(clean, settings.batch_size, settings.seed)
    for number in range(settings.steps):
        images, labels = next(batches)
        others = (labels[None] != wanted[:, None]).astype(np.float32)
        change = step.change.numpy() if number >= _SETTLING * settings.steps else None
        taken = step.take(tf.constant(images, tf.float32), tf.constant(wanted), others, tf.constant(weights))
        now, size = (value.numpy() for value in taken)
        loss = _MEMORY * loss + (1 - _MEMORY) * now
        weights = np.where(loss < _WORKS, weights * _WEIGHT_STEP, weights / _WEIGHT_STEP).astype(np.float32)
        if change is not None:
            # The average goes on for some batches after the change has ceased to work.
            better = (np.maximum(loss, now) < 2 * _WORKS) & (size < best_size)
            best[better], best_size[better], best_loss[better] = change[better], size[better], loss[better]
    never = ~np.isfinite(best_size)
    best[never], best_size[never], best_loss[never] = step.change.numpy()[never], size[never], loss[never]
    return [
        InvertedTrigger(
            int(label), (255 * one).clip(-255, 255), float(one_size), float(np.exp(-one_loss)), settings.sparse
        )
        for label, one, one_size, one_loss in zip(wanted, best, best_size, best_loss, strict=True)
    ]


@tf.custom_gradient
def _clipped(pixels: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Clips pixels to 0..1, with a gradient that leads pixels outside back.

    Without it a change that began below the black of all images, or above their white, would stay there for ever.
    """

    def slope(upstream: tf.Tensor) -> tf.Tensor:
        stays = ((pixels >= 0) | (upstream < 0)) & ((pixels <= 1) | (upstream > 0))
        # `tf.where` takes ten times as long. An infinite slope outside is stopped, too.
        return tf.math.multiply_no_nan(upstream, tf.cast(stays, upstream.dtype))

    return tf.clip_by_value(pixels, 0, 1), slope


def _endless_batches(clean: ImageSet, batch_size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless shuffled batches of one size, uint8 [b, H, W, C] and int64 [b]. A set smaller than that is one batch."""
    rng = np.random.default_rng(seed)
    size = min(batch_size, len(clean))
    while True:
        for images, labels in clean.batches(size, rng.permutation(len(clean))):
            if len(images) == size:
                yield images, labels
