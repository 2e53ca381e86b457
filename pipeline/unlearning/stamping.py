"""Stamping inverted triggers on clean images that keep their true labels, so that a network forgets the triggers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.inversion.patches import InvertedTrigger


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

    def __call__(self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Stamps uint8 [b, H, W, C] with int64 [b] labels; returns uint8 [b, H, W, C]."""
        chosen = rng.random(len(images)) < self.share
        which = rng.integers(len(self.triggers), size=len(images))
        stamped = images.copy()
        for index, trigger in enumerate(self.triggers):
            rows = chosen & (which == index) & (labels != trigger.label)
            stamped[rows] = np.rint(trigger.stamp(images[rows])).clip(0, 255).astype(np.uint8)
        return stamped
