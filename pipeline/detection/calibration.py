"""The detector's threshold, set on clean images so that a promised share of clean inputs passes.

Split conformal calibration (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005): with n clean
images that nothing was trained on, the k-th smallest of their suspicions, k = ceil((n + 1) (1 - rate)), is exceeded by
a further clean image with a probability of at most `rate`, whatever the distribution of suspicions.
"""

import math
from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError
from goodnet.pipeline.measuring.rates import Rate


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it promises.

    Attributes:
        threshold: in [0, 1]; an input is flagged when its suspicion exceeds it.
        asked: the false positive rate that was asked for, 0..1.
        promised: the rate that the number of images can promise, at least 1 / (images + 1).
        images: clean images the threshold was set on.
        suspicions: float32 [images], their suspicions, in ascending order.
        rate: of the same images, how many exceed the threshold. What is reached on other images is measured elsewhere.
    """

    threshold: float
    asked: float
    promised: float
    images: int
    suspicions: np.ndarray
    rate: Rate


def calibrate(suspicions: np.ndarray, max_false_positive_rate: float) -> Calibration:
    """Sets the threshold on the suspicions of clean images.

    Args:
        suspicions: float [n], of clean images that the repair did not train on; n >= 1.
        max_false_positive_rate: the share of clean inputs that may be flagged, 0..1.

    Returns:
        The calibration. Where n images cannot promise the rate, the threshold is the largest suspicion, which promises
        1 / (n + 1).

    Raises:
        InputError: no suspicion was given.
    """
    count = len(suspicions)
    if count == 0:
        raise InputError("--clean_data: too few images to set the detector's threshold on any; expected more per class")
    ordered = np.sort(np.asarray(suspicions, np.float32))
    rank = min(count, math.ceil((count + 1) * (1 - max_false_positive_rate) - 1e-9))
    threshold = float(ordered[max(rank, 1) - 1]) if rank > 0 else 0.0
    promised = max(max_false_positive_rate, 1 / (count + 1))
    flagged = int(np.count_nonzero(ordered > np.float32(threshold)))
    return Calibration(threshold, max_false_positive_rate, promised, count, ordered, Rate(flagged, count))
