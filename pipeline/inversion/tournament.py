"""Which of many labels are worth a whole inversion: a tournament in which the least promising half drop out early.

K-Arm (Shen et al., "Backdoor Scanning for Deep Neural Networks through K-Arm Optimization", ICML 2021) spends its steps
on the labels whose triggers shrink fastest. Here all labels start, each round goes on with the best share of the last,
and what is compared is the objective (cross-entropy plus penalty) after the same number of steps, not a size: after
four steps few triggers work, but a target's already loses far less than the others'.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from models.classifier import with_probabilities
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.inversion.stack import endless_batches

_MOMENTS = (0.5, 0.9)  # Adam's, as in the whole inversion
_SMOOTHING = 0.7
# So small that the logarithm has a slope wherever a float32 probability is not zero.
_LEAST_PROBABILITY = 1e-30

_State = dict[str, np.ndarray]


@dataclass(frozen=True)
class TournamentSettings:
    """How labels are screened.

    Attributes:
        steps: optimizer steps of each round.
        kept: share of the labels that goes on to the next round.
        batch_size: images that each label's trigger is tried on in a step.
        learning_rate: Adam's, on the logits of mask and pattern.
        weight: of the mask's share of the image against the cross-entropy.
        grain: pixels between the points that mask and pattern are given at.
        labels_at_once: labels in one batch, at most; bounds the memory.
        uniform: look for patterns blended into the whole image instead of patches.
        seed: of the first masks and of the images' order.
    """

    steps: tuple[int, ...] = (4, 6, 10)
    kept: float = 0.25
    batch_size: int = 2
    learning_rate: float = 0.5
    weight: float = 10.0
    grain: int = 4
    labels_at_once: int = 256
    uniform: bool = False
    seed: int = 0


def by_promise(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    labels: Sequence[int],
    settings: TournamentSettings,
) -> tuple[int, ...]:
    """Orders labels by how easily a small trigger leads other classes' images to them, the easiest first.

    Args:
        model: the suspect, softmax or logits; it is not changed.
        clean: clean images. A label's own images do not count for it.
        input_scale: what the model expects of pixels.
        labels: the labels to order, each once.
        settings: how.
    """
    stacks = _Stacks(with_probabilities(model), clean.image_shape, input_scale, settings)
    batches = endless_batches(clean, settings.batch_size, settings.seed)
    state, out = stacks.start(np.asarray(labels, np.int64)), np.zeros(0, np.int64)
    for number, steps in enumerate(settings.steps, start=1):
        taken = [next(batches) for _ in range(steps)]
        state = stacks.go_on(state, taken)
        state = _rows(state, np.argsort(state["average"], kind="stable"))
        if number < len(settings.steps):
            kept = max(1, round(settings.kept * len(state["label"])))
            out = np.concatenate([state["label"][kept:], out])
            state = _rows(state, slice(kept))
    return tuple(map(int, [*state["label"], *out]))


def _rows(state: _State, which: np.ndarray | slice) -> _State:
    return {name: value[which] for name, value in state.items()}


class _Stacks:
    """Steps of gradient descent for any number of labels, in stacks of equal size so that few graphs are traced."""

    def __init__(
        self,
        model: keras.Model,
        image_shape: tuple[int, int, int],
        input_scale: InputScale,
        settings: TournamentSettings,
    ):
        self._model = model
        self._shape = image_shape
        self._scale = input_scale
        self._settings = settings
        self._compiled = tf.function(self._update)

    def start(self, labels: np.ndarray) -> _State:
        """Random masks and patterns."""
        rng = np.random.default_rng([self._settings.seed, 1])
        height, width, channels = self._shape
        grid = (-(-height // self._settings.grain), -(-width // self._settings.grain))
        mask_shape = (len(labels), 1, 1, 1) if self._settings.uniform else (len(labels), *grid, 1)
        mask = rng.normal(-1 if self._settings.uniform else -2, 0.5, mask_shape).astype(np.float32)
        pattern = rng.normal(0, 0.5, (len(labels), *grid, channels)).astype(np.float32)
        zeros = {
            f"{name}_{moment}": np.zeros_like(value)
            for name, value in (("mask", mask), ("pattern", pattern))
            for moment in ("mean", "square")
        }
        return {
            "label": labels,
            "mask": mask,
            "pattern": pattern,
            **zeros,
            "average": np.full(len(labels), np.inf, np.float32),
            "step": np.zeros(len(labels), np.float32),
        }

    def go_on(self, state: _State, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> _State:
        """One step on each batch, for all labels."""
        count = len(state["label"])
        stacks = -(-count // self._settings.labels_at_once)
        size = -(-count // stacks)
        done: list[_State] = []
        for first in range(0, count, size):
            places = np.arange(first, first + size) % count  # the last stack is filled up with labels seen already
            stack = {name: tf.constant(value) for name, value in _rows(state, places).items()}
            for images, true_labels in batches:
                stack = self._compiled(stack, tf.constant(images, tf.float32), tf.constant(true_labels))
            done.append({name: value.numpy() for name, value in stack.items()})
        return {name: np.concatenate([one[name] for one in done])[:count] for name in state}

    def _update(self, stack: dict[str, tf.Tensor], images: tf.Tensor, true_labels: tf.Tensor) -> dict[str, tf.Tensor]:
        settings, size = self._settings, self._shape[:2]
        count, batch = stack["label"].shape[0], images.shape[0]
        variables = [stack["mask"], stack["pattern"]]
        with tf.GradientTape() as tape:
            tape.watch(variables)
            mask, pattern = tf.sigmoid(variables[0]), tf.image.resize(tf.sigmoid(variables[1]), size)
            if not settings.uniform:
                mask = tf.image.resize(mask, size)
            stamped = images[None] * (1 - mask[:, None]) + 255 * pattern[:, None] * mask[:, None]
            scaled = self._scale.tensor(stamped)
            answers = tf.reshape(
                self._model(tf.reshape(scaled, [-1, *self._shape]), training=False), [count, batch, -1]
            )
            wanted = tf.gather(answers, stack["label"], axis=2, batch_dims=1)
            others = tf.cast(true_labels[None] != stack["label"][:, None], tf.float32)
            counted = tf.reduce_sum(others, axis=1)
            loss = -tf.reduce_sum(others * tf.math.log(wanted + _LEAST_PROBABILITY), axis=1) / tf.maximum(counted, 1)
            objective = loss + settings.weight * tf.reduce_mean(mask, axis=[1, 2, 3])
            total = tf.reduce_sum(objective)
        gradients = tape.gradient(total, variables)
        average = tf.where(
            tf.math.is_inf(stack["average"]),
            objective,
            _SMOOTHING * stack["average"] + (1 - _SMOOTHING) * objective,
        )
        step = stack["step"] + 1
        moved = {
            "label": stack["label"],
            # A batch of nothing but a label's own images says nothing of it.
            "average": tf.where(counted > 0, average, stack["average"]),
            "step": step,
        }
        for name, gradient in zip(("mask", "pattern"), gradients, strict=True):
            mean = _MOMENTS[0] * stack[f"{name}_mean"] + (1 - _MOMENTS[0]) * gradient
            square = _MOMENTS[1] * stack[f"{name}_square"] + (1 - _MOMENTS[1]) * gradient**2
            unbiased = tf.sqrt(1 - _MOMENTS[1] ** step) / (1 - _MOMENTS[0] ** step)
            rate = settings.learning_rate * unbiased[:, None, None, None]
            moved[name] = stack[name] - rate * mean / (tf.sqrt(square) + 1e-7)
            moved[f"{name}_mean"], moved[f"{name}_square"] = mean, square
        return moved
