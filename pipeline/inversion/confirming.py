"""Does an inverted trigger do what a backdoor's does: on images it was not fitted to, and not by natural features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.measuring.rates import Rate

_FOLDS = 5
_BATCH = 256
# More pairs of images than this tell nothing more.
_MOST_PAIRS = 512
# Chance differences of a few grey levels, as those of backgrounds, stay dull at this, where black and white or a pure
# colour may be the attacker's own.
_EXAGGERATION = 8


@dataclass(frozen=True)
class Confirmation:
    """What a trigger does to images of other classes that it was not fitted to.

    Attributes:
        held_out: how many of them get the label.
        own_content: how many get it when, instead of the trigger's pattern, the mask shows what images of the label's
            own class have there; of 0 where no clean image has the label. A trigger that is a natural feature of its
            class can be replaced so, an attacker's can't.
        exaggerated: how many images of other classes get it when the mask shows what tells the class's images from
            the others there, eight times as strongly; of 0 where no clean image has the label. An inverted trigger is
            as glaring as can be, and a natural feature may have to be so to work alone.
        change: how far the trigger moves an image, in mean absolute pixel values, as a share of how far images of
            different classes lie apart; 0 where there is no image of another class.
    """

    held_out: Rate
    own_content: Rate
    exaggerated: Rate
    change: float


class Confirmer:
    """Confirms triggers of one network."""

    def __init__(self, model: keras.Model, input_scale: InputScale, seed: int):
        """Nothing is computed here."""
        self._model = model
        self._scale = input_scale
        self._seed = seed

    def confirm(self, trigger: InvertedTrigger, held_out: ImageSet, clean: ImageSet) -> Confirmation:
        """Confirms a trigger on images that were held out.

        Args:
            trigger: the trigger.
            held_out: clean images that it was not fitted to.
            clean: all clean images: those of the label's own class, and how far classes lie apart, come from these.
        """
        return self._confirmation(self.success(trigger, held_out), trigger, clean)

    def cross_confirm(
        self, trigger: InvertedTrigger, clean: ImageSet, invert: Callable[[ImageSet], InvertedTrigger]
    ) -> Confirmation:
        """Confirms a trigger where images are too few to hold some out: each on a trigger fitted to the others.

        Args:
            trigger: the trigger that was fitted to all of them.
            clean: the clean images, at least 2.
            invert: fits a trigger for the same label to some of them.
        """
        order = np.random.default_rng([self._seed, 2]).permutation(len(clean))
        count = total = 0
        for fold in range(min(_FOLDS, len(clean))):
            left_out = np.sort(order[fold::_FOLDS])
            rate = self.success(invert(clean.subset(np.setdiff1d(order, left_out))), clean.subset(left_out))
            count, total = count + rate.count, total + rate.total
        return self._confirmation(Rate(count, total), trigger, clean)

    def success(self, trigger: InvertedTrigger, images: ImageSet) -> Rate:
        """How many images of other classes get the trigger's label."""
        others = np.flatnonzero(images.labels != trigger.label)
        hits = 0
        for batch, _ in images.batches(_BATCH, others):
            hits += self._hits(trigger.stamp(batch), trigger.label)
        return Rate(hits, len(others))

    def _confirmation(self, held_out: Rate, trigger: InvertedTrigger, clean: ImageSet) -> Confirmation:
        own_content, exaggerated = self._own_content(trigger, clean), self._exaggerated(trigger, clean)
        return Confirmation(held_out, own_content, exaggerated, _change(trigger, clean))

    def _own_content(self, trigger: InvertedTrigger, clean: ImageSet) -> Rate:
        own, others = _pairs(clean.labels, trigger.label, self._seed)
        hits = 0
        for first in range(0, len(own), _BATCH):
            theirs = clean.images(others[first : first + _BATCH])
            ours = clean.images(own[first : first + _BATCH])
            hits += self._hits(theirs * (1 - trigger.mask) + ours * trigger.mask, trigger.label)
        return Rate(hits, len(own))

    def _exaggerated(self, trigger: InvertedTrigger, clean: ImageSet) -> Rate:
        own, others = np.flatnonzero(clean.labels == trigger.label), np.flatnonzero(clean.labels != trigger.label)
        if not len(own) or not len(others):
            return Rate(0, 0)
        usual = _mean(clean, others)
        shown = usual + _EXAGGERATION * (_mean(clean, own) - usual)
        return self.success(replace(trigger, pattern=shown.clip(0, 255).astype(np.float32)), clean)

    def _hits(self, images: np.ndarray, label: int) -> int:
        pixels = np.rint(images).clip(0, 255).astype(np.uint8)
        return int((self._model.predict_on_batch(self._scale.apply(pixels)).argmax(axis=1) == label).sum())


def _mean(images: ImageSet, places: np.ndarray) -> np.ndarray:
    """The mean of the images at some places: float64 [H, W, C]."""
    total = np.zeros(images.image_shape)
    for batch, _ in images.batches(_BATCH, places):
        total += batch.sum(axis=0, dtype=np.float64)
    return total / len(places)


def _pairs(labels: np.ndarray, label: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of images of the label, and of others, drawn at random: int64 [n] each, n = 0 where there is no pair."""
    own, others = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
    if not len(own) or not len(others):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rng = np.random.default_rng([seed, 3])
    count = min(_MOST_PAIRS, len(own) * len(others))
    return rng.choice(own, count), rng.choice(others, count)


def _change(trigger: InvertedTrigger, clean: ImageSet) -> float:
    others = np.flatnonzero(clean.labels != trigger.label)[:_MOST_PAIRS]
    if not len(others):
        return 0.0
    images = clean.images(others).astype(np.float32)
    moved = np.abs(trigger.stamp(images).clip(0, 255) - images).mean()
    return float(moved / max(natural_distance(images, clean.labels[others]), 1e-6))


def natural_distance(images: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
    """The mean absolute difference between images of different classes, over neighbours in the set's order.

    Args:
        images: [n, H, W, C].
        labels: [n].

    Returns:
        In the images' units; 0 where all are of one class.
    """
    labels = np.asarray(labels)
    apart = [
        np.abs(images - np.roll(images, shift, axis=0)).mean(axis=(1, 2, 3))[labels != np.roll(labels, shift)]
        for shift in (1, len(images) // 2)
    ]
    distances = np.concatenate(apart)
    return float(distances.mean()) if len(distances) else 0.0
