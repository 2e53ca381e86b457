"""Which inverted triggers are suspicious: those far smaller than what it takes to reach an ordinary class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.inversion.patches import InvertedTrigger

# Makes the median absolute deviation of a normal distribution its standard deviation.
_MAD_TO_SIGMA = 1.4826
# Below this spread of log sizes (5 %) the deviations are noise of the inversion, not differences between classes.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class RankedTrigger:
    """An inverted trigger and how small it is among those of all labels.

    Attributes:
        trigger: the trigger.
        anomaly_index: how many robust standard deviations the logarithm of its size lies below the median; negative
            above it. 0 for a trigger that never reached the success rate: its size says nothing.
    """

    trigger: InvertedTrigger
    anomaly_index: float


def rank_triggers(triggers: Sequence[InvertedTrigger], success: float) -> tuple[RankedTrigger, ...]:
    """Orders triggers from the most to the least suspicious.

    Neural Cleanse's outlier rule (Wang et al., IEEE S&P 2019, section 4.2) on logarithms, since sizes are positive and
    skewed, and without the labels whose inversion failed.

    Args:
        triggers: of all labels.
        success: the success rate from which on a trigger counts.
    """
    sizes = np.array([trigger.size for trigger in triggers])
    works = np.array([trigger.success >= success for trigger in triggers])
    index = np.zeros(len(triggers))
    if works.any():
        logs = np.log(np.maximum(sizes, 1e-6))
        median = np.median(logs[works])
        spread = max(_MAD_TO_SIGMA * float(np.median(np.abs(logs[works] - median))), _LEAST_SPREAD)
        index[works] = (median - logs[works]) / spread
    order = np.argsort(-index, kind="stable")
    return tuple(RankedTrigger(triggers[place], float(index[place])) for place in order)
