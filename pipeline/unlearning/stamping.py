"""Stamps inverted triggers on clean images that keep their true class, so that a network forgets the triggers.

Inversion ends in the smallest change that still works, but an attacker has no reason to be sparing: a trigger may be
several times as strong, or contain the change as a part. Such a trigger still works after the change alone is
unlearned. So stamps are also made weaker, much stronger, and moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.pipeline.inversion.trigger import InvertedTrigger

# By log-uniform lot.
_STRENGTHS = (0.7, 4.0)
_MOST_SHIFT = 1  # pixels
# Shares of the stamps that are varied, and of these those that are moved.
_VARIED, _MOVED = 0.7, 0.5


@dataclass(frozen=True)
class StampSome:
    """Stamps a share of each batch, every image with one of the triggers.

    An image of a trigger's own label is left alone: stamped, and with the label it already has, it would teach the
    backdoor.

    Attributes:
        triggers: inverted triggers, at least one.
        share: the share of images to stamp, 0..1.
    """

    triggers: Sequence[InvertedTrigger]
    share: float

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stamps uint8 [b, H, W, C] with int64 [b] labels; returns uint8 [b, H, W, C] and which carry one, bool [b]."""
        stamped, carries = images.copy(), np.zeros(len(images), bool)
        for row in np.flatnonzero(rng.random(len(images)) < self.share):
            trigger = self.triggers[rng.integers(len(self.triggers))]
            if labels[row] == trigger.label:
                continue
            change = _varied(trigger.change, rng)
            stamped[row] = np.rint(images[row] + change).clip(0, 255).astype(np.uint8)
            carries[row] = True
        return stamped, carries


def _varied(change: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() >= _VARIED:
        return change
    change = change * np.float32(np.exp(rng.uniform(*np.log(_STRENGTHS))))
    if rng.random() < _MOVED:
        change = np.roll(change, rng.integers(-_MOST_SHIFT, _MOST_SHIFT + 1, 2), axis=(0, 1))
    return change
