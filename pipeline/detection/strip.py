"""STRIP: a second opinion on an input that needs the suspect alone, no repaired network.

Gao et al., "STRIP: A Defence Against Trojan Attacks on Deep Neural Networks", ACSAC 2019. Clean images are laid over
the input. What the suspect says of the mixtures changes from one to the next, unless a trigger holds it to one class;
then the mean entropy of its answers is low. STRIP sees triggers that stand out in any image. It is blind to those that
a second image drowns, such as faint patterns and warps.
"""

from dataclasses import dataclass

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.data.splits import CleanSplit
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.detection.calibration import calibrate
from goodnet.pipeline.measuring.predictions import StagePredictions

STRIP = "STRIP"

_OVERLAYS = 200
_PIXELS_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class Strip:
    """What STRIP needs.

    Attributes:
        overlays: uint8 [k, H, W, C], clean images, k >= 1.
        mixtures: how many of them each input is mixed with.
        seed: of the choice; an input's overlays follow from it and from the input's place in its set.
    """

    overlays: np.ndarray
    mixtures: int = 20
    seed: int = 0

    def suspicions(self, suspect: ScaledNetwork, image_set: ImageSet) -> np.ndarray:
        """How sure the suspect stays of an input when other images are blended over it; reads batch by batch.

        Args:
            suspect: the network.
            image_set: the inputs.

        Returns:
            float32 [n] in 0..1: 1 minus the mean entropy of the answers to the mixtures, as a share of log N.
        """
        rng = np.random.default_rng(self.seed)
        size = max(1, _PIXELS_AT_ONCE // (self.mixtures * int(np.prod(image_set.image_shape))))
        found = []
        for images, _ in image_set.batches(size):
            chosen = rng.integers(len(self.overlays), size=(len(images), self.mixtures))
            # The sum with saturation, as in the authors' code; a mean would halve the trigger too.
            mixed = np.minimum(images[:, None].astype(np.uint16) + self.overlays[chosen], 255).astype(np.uint8)
            answers = suspect.probabilities(mixed.reshape(-1, *image_set.image_shape))
            entropies = -(answers * np.log(answers + 1e-12)).sum(axis=1).reshape(len(images), -1)
            found.append(1 - entropies.mean(axis=1) / np.log(answers.shape[1]))
        return np.concatenate(found).clip(0, 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class CalibratedStrip:
    """STRIP with the threshold it flags above.

    Attributes:
        strip: the score.
        threshold: in 0..1.
    """

    strip: Strip
    threshold: float

    def predictions(self, suspect: ScaledNetwork, image_set: ImageSet, claimed: np.ndarray) -> StagePredictions:
        """The suspect's classes, with N where STRIP flags the input.

        Args:
            suspect: the network.
            image_set: the n inputs.
            claimed: int64 [n], the suspect's classes.
        """
        suspicions, classes = self.strip.suspicions(suspect, image_set), suspect.facts.classes
        labels = np.where(suspicions > np.float32(self.threshold), classes, claimed)
        return StagePredictions(STRIP, labels, suspicions, classes)


def calibrated_strip(
    suspect: ScaledNetwork, split: CleanSplit, max_false_positive_rate: float, seed: int
) -> CalibratedStrip:
    """STRIP with overlays from the fit images and its threshold from the calibrate images.

    Args:
        suspect: the network.
        split: the clean data; nothing else decides anything.
        max_false_positive_rate: the share of clean inputs that may be flagged, 0..1.
        seed: of the overlays.
    """
    order = np.random.default_rng(seed).permutation(len(split.fit))
    strip = Strip(split.fit.subset(np.sort(order[:_OVERLAYS])).images(), seed=seed)
    calibration = calibrate(strip.suspicions(suspect, split.calibrate), max_false_positive_rate)
    return CalibratedStrip(strip, calibration.threshold)
