"""Stamping inverted triggers on clean images that are still taught as what they are: so a network forgets triggers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.inversion.suspicious import Trigger
from pipeline.unlearning.variation import varied


@dataclass(frozen=True)
class StampSome:
    """Stamps a share of each batch, every image with one of the triggers.

    An image of a trigger's own label is left alone: stamped, and with the label it already has, it would teach the
    backdoor.

    Attributes:
        triggers: inverted triggers, at least one.
        share: the share of images to stamp, 0..1.
        varied_share: the share of stamped images whose trigger is varied (`varied`), 0..1.
    """

    triggers: Sequence[Trigger]
    share: float
    varied_share: float = 0.0

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stamps uint8 [b, H, W, C] with int64 [b] labels; returns uint8 [b, H, W, C] and which carry one, bool [b]."""
        stamped, carries = images.copy(), np.zeros(len(images), bool)
        for row in np.flatnonzero(rng.random(len(images)) < self.share):
            trigger = self.triggers[rng.integers(len(self.triggers))]
            if rng.random() < self.varied_share:
                trigger = varied(trigger, rng)
            if labels[row] != trigger.label:
                stamped[row] = np.rint(trigger.stamp(images[row : row + 1])[0]).clip(0, 255).astype(np.uint8)
                carries[row] = True
        return stamped, carries
