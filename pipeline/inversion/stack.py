"""Searching the triggers of many labels at once, whatever a trigger is made of.

Neural Cleanse (Wang et al., IEEE S&P 2019, section 4) with its targets stacked: Adam works element by element, so that
targets stay independent of each other in one batch, each with a penalty weight of its own that rises while its trigger
works and falls while it does not.
"""

import abc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.inversion.penalty import Penalty


@dataclass(frozen=True)
class StackSettings:
    """How triggers are searched.

    Attributes:
        steps: optimizer steps for each label.
        batch_size: images that each label's trigger is tried on in a step.
        learning_rate: Adam's, on what a trigger is made of.
        success: share of a batch from which on a trigger counts as working, 0..1.
        first_weight: the first weight of the trigger's size against the cross-entropy.
        patience: steps in a row of success, or of failure, before the weight changes.
        labels_at_once: labels stacked in one batch; bounds the memory.
        least_probability: what a label's probability counts as at least. Below it the search feels no slope: of a
            network with many classes a label far away is then not found at all, whatever the steps.
        seed: of the first triggers and of the images' order.
    """

    steps: int = 250
    batch_size: int = 32
    learning_rate: float = 0.1
    success: float = 0.98
    first_weight: float = 4.0
    patience: int = 5
    labels_at_once: int = 64
    least_probability: float = 1e-8
    seed: int = 0


@dataclass(frozen=True)
class Start:
    """One search.

    Attributes:
        label: what to lead images to.
        number: which of the label's random starts, 0 or more.
    """

    label: int
    number: int = 0

    def random(self, *seeds: int) -> np.random.Generator:
        """What the first trigger is drawn from: it does not depend on what else is searched."""
        return np.random.default_rng([*seeds, self.label, self.number])


def starts_of(labels: Sequence[int]) -> list[Start]:
    """A start for each label; of a label that occurs several times the first, the second, ..."""
    seen: Counter[int] = Counter()
    starts = []
    for label in labels:
        starts.append(Start(int(label), seen[label]))
        seen[label] += 1
    return starts


@dataclass(frozen=True, eq=False)
class Found:
    """The best trigger of one label.

    Attributes:
        label: the label.
        parts: what the trigger is made of, as `Stack.stamped` gives it.
        success: share of images of other classes that got the label, 0..1, in the step it is from.
    """

    label: int
    parts: tuple[np.ndarray, ...]
    success: float


class Stack(abc.ABC):
    """The state of K labels; a subclass says what a trigger is."""

    def __init__(
        self,
        model: keras.Model,
        input_scale: InputScale,
        starts: Sequence[Start],
        settings: StackSettings,
        variables: Sequence[tf.Variable],
        first_weight: float,
    ):
        """Nothing is searched here.

        Args:
            model: the suspect, softmax or logits; it is not changed.
            input_scale: what the model expects of pixels.
            starts: K labels, and where from.
            settings: how.
            variables: what the triggers follow from, each [K, ...].
            first_weight: of the size, in the units that the subclass gives it in.
        """
        self._labels = np.array([start.label for start in starts], np.int64)
        self._settings = settings
        self._variables = list(variables)
        self._optimizer = keras.optimizers.Adam(settings.learning_rate, beta_1=0.5, beta_2=0.9)
        self._penalty = Penalty(len(starts), first_weight, settings.patience)
        self._best_size = np.full(len(starts), np.inf)
        self._best_success = np.full(len(starts), -1.0)
        self._best: tuple[np.ndarray, ...] = ()
        self._compiled = tf.function(self._update)
        self._model = with_probabilities(model)
        self._scale = input_scale

    @abc.abstractmethod
    def stamped(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """Every image under every trigger.

        Args:
            images: float32 [B, H, W, C], raw pixels.

        Returns:
            (float32 [K, B, H, W, C], the triggers' sizes [K], what each trigger is made of, each [K, ...]).
        """

    def step(self, images: np.ndarray, true_labels: np.ndarray) -> None:
        """One optimizer step on one batch for all labels."""
        others = (true_labels[None] != self._labels[:, None]).astype(np.float32)
        weight = tf.constant(self._penalty.weights)
        success, size, *parts = (
            value.numpy() for value in self._compiled(tf.constant(images, tf.float32), tf.constant(others), weight)
        )
        works = success >= self._settings.success
        self._keep(works, success, size, parts)
        self._penalty.update(works)

    def best(self) -> list[Found]:
        """For each label the smallest trigger that worked so far, or, where none did, the one that came closest."""
        rows = zip(self._labels, self._best_success, *self._best, strict=True)
        return [Found(int(label), tuple(parts), float(success)) for label, success, *parts in rows]

    def _update(self, images: tf.Tensor, others: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        count, batch = others.shape
        with tf.GradientTape() as tape:
            stamped, size, parts = self.stamped(images)
            scaled = self._scale.tensor(stamped)
            probabilities = self._model(tf.reshape(scaled, [-1, *images.shape[1:]]), training=False)
            probabilities = tf.reshape(probabilities, [count, batch, -1])
            wanted = tf.gather(probabilities, tf.constant(self._labels), axis=2, batch_dims=1)
            counted = tf.maximum(tf.reduce_sum(others, axis=1), 1)
            loss = -tf.reduce_sum(others * tf.math.log(wanted + self._settings.least_probability), axis=1) / counted
            total = tf.reduce_sum(loss + weight * size)
        gradients = tape.gradient(total, self._variables)
        self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
        hits = tf.cast(tf.argmax(probabilities, axis=2) == self._labels[:, None], tf.float32)
        return tf.reduce_sum(others * hits, axis=1) / counted, size, *parts

    def _keep(self, works: np.ndarray, success: np.ndarray, size: np.ndarray, parts: Sequence[np.ndarray]) -> None:
        worked = self._best_success >= self._settings.success
        smaller = size < np.where(worked, self._best_size, np.inf)
        better = np.where(works, smaller, ~worked & (success > self._best_success))
        self._best_size[better], self._best_success[better] = size[better], success[better]
        if not self._best:
            self._best = tuple(np.zeros_like(part) for part in parts)
        for best, part in zip(self._best, parts, strict=True):
            best[better] = part[better]


def search(
    clean: ImageSet, starts: Sequence[Start], settings: StackSettings, begin: Callable[[Sequence[Start]], Stack]
) -> list[Found]:
    """Searches triggers from any number of starts, a stack at a time.

    Args:
        clean: clean images. A label's own images do not count for it.
        starts: the labels, and where from.
        settings: how.
        begin: makes a stack of K starts.

    Returns:
        The best trigger of each start, in their order.
    """
    found: list[Found] = []
    for first in range(0, len(starts), settings.labels_at_once):
        stack = begin(starts[first : first + settings.labels_at_once])
        batches = endless_batches(clean, settings.batch_size, settings.seed)
        for _ in range(settings.steps):
            stack.step(*next(batches))
        found.extend(stack.best())
    return found


def endless_batches(clean: ImageSet, batch_size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled batches of one size for ever: uint8 [b, H, W, C] and int64 [b]; a smaller set is one batch."""
    rng = np.random.default_rng(seed)
    size = min(batch_size, len(clean))
    while True:
        for images, labels in clean.batches(size, rng.permutation(len(clean))):
            if len(images) == size:
                yield images, labels
