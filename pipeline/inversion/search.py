"""Inverting triggers: for many labels at once, the smallest mask and pattern that turn images into them.

Two families of triggers share the search (`stack`). A patch has a mask value for each pixel; a blended pattern (Chen et
al., "Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning", 2017) has one for all of them, since a
sum over pixels would never favour a faint mask everywhere over a dense one somewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.inversion.stack import Stack, StackSettings, Start, search, starts_of
from pipeline.inversion.suspicious import by_use
from pipeline.inversion.trigger import InvertedTrigger


@dataclass(frozen=True)
class InversionSettings(StackSettings):
    """How masks and patterns are inverted. Adam works on their logits; their size is the mask's share of the image.

    Attributes:
        uniform: look for patterns blended into the whole image instead of patches.
        grain: pixels between the points that a patch's mask and pattern are given at; between them they are
            interpolated. Single pixels (1) end in noise that only this network takes for a trigger; a coarse grain
            ends in areas of one colour, as printed and drawn triggers have them.
    """

    uniform: bool = False
    grain: int = 1


@dataclass(frozen=True)
class BestStarts:
    """From how many random starts each label is searched.

    Attributes:
        tried: for `trial_steps`.
        kept: of these, to the end.
        trial_steps: optimizer steps.
    """

    tried: int
    kept: int
    trial_steps: int


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
    return _inverted(model, clean, input_scale, starts_of(labels), settings)


def invert_from_best_starts(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    labels: Sequence[int],
    settings: InversionSettings,
    starts: BestStarts,
) -> tuple[InvertedTrigger, ...]:
    """Like `invert_triggers`, from the starts that a short search finds promising.

    A search ends in the trigger or in a smear beside it that works, too, as chance has it; which of the two shows early
    in its size. To drop what is behind early is successive halving (Jamieson and Talwalkar, AISTATS 2016).

    Args:
        model: see `invert_triggers`.
        clean: see there.
        input_scale: see there.
        labels: the labels, each once.
        settings: how, of the whole search.
        starts: how many.

    Returns:
        As many triggers of each label as starts are kept, in the order of the labels.
    """
    tried = starts_of([label for label in labels for _ in range(starts.tried)])
    trials = _inverted(model, clean, input_scale, tried, replace(settings, steps=starts.trial_steps))

    best = []
    for first in range(0, len(tried), starts.tried):
        numbers = sorted(range(first, first + starts.tried), key=lambda one: by_use(trials[one], settings.success))
        best += numbers[: starts.kept]
    # From the beginning: on the same images the steps of the trial are the same again.
    return _inverted(model, clean, input_scale, [tried[number] for number in best], settings)


def _inverted(
    model: keras.Model, clean: ImageSet, input_scale: InputScale, starts: Sequence[Start], settings: InversionSettings
) -> tuple[InvertedTrigger, ...]:
    found = search(
        clean, starts, settings, lambda stack: _Triggers(model, clean.image_shape, input_scale, stack, settings)
    )
    return tuple(
        InvertedTrigger(one.label, mask, 255 * pattern, one.success, settings.uniform)
        for one in found
        for mask, pattern in [one.parts]
    )


class _Triggers(Stack):
    """Masks and patterns of K labels."""

    def __init__(
        self,
        model: keras.Model,
        image_shape: tuple[int, int, int],
        input_scale: InputScale,
        starts: Sequence[Start],
        settings: InversionSettings,
    ):
        height, width, channels = image_shape
        grain = settings.grain
        grid = (height, width) if settings.uniform else (-(-height // grain), -(-width // grain))
        mask_shape = (1, 1, 1) if settings.uniform else (*grid, 1)
        drawn = [start.random(settings.seed, 1) for start in starts]
        masks = [rng.normal(-1 if settings.uniform else -2, 0.5, mask_shape) for rng in drawn]
        patterns = [rng.normal(0, 0.5, (*grid, channels)) for rng in drawn]
        self._shape = image_shape
        self._mask = tf.Variable(np.stack(masks), dtype=tf.float32)
        self._pattern = tf.Variable(np.stack(patterns), dtype=tf.float32)
        variables = (self._mask, self._pattern)
        super().__init__(model, input_scale, starts, settings, variables, settings.first_weight)

    def stamped(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """The images under every mask and pattern, the masks' shares of the image, and masks and patterns in 0..1."""
        mask, pattern = self._whole(tf.sigmoid(self._mask)), self._whole(tf.sigmoid(self._pattern))
        stamped = images[None] * (1 - mask[:, None]) + 255 * pattern[:, None] * mask[:, None]
        return stamped, tf.reduce_mean(mask, axis=[1, 2, 3]), (mask, pattern)

    def _whole(self, grid: tf.Tensor) -> tf.Tensor:
        size = self._shape[:2]
        return grid if grid.shape[1:3] == size else tf.image.resize(grid, size)
