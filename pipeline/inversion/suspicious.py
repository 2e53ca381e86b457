"""Which inverted triggers are suspicious: those far smaller than what it takes to reach an ordinary class."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.inversion.rarity import anomaly_indices
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp
from pipeline.inversion.waves import InvertedWave

Trigger = InvertedTrigger | InvertedWarp | InvertedWave


@dataclass(frozen=True)
class RankedTrigger:
    """An inverted trigger and how small it is among those of all labels.

    Attributes:
        trigger: the trigger.
        anomaly_index: how many robust standard deviations the logarithm of its size lies below the median; negative
            above it. 0 for a trigger that never reached the success rate: its size says nothing. None for a warp or
            a wave: most labels are not reached by one at all, so that there is nothing to compare with; and where
            labels are too few to compare.
    """

    trigger: Trigger
    anomaly_index: float | None

    def __str__(self) -> str:
        trigger = self.trigger
        index = "" if self.anomaly_index is None else f", anomaly index {self.anomaly_index:.1f}"
        return f"label {trigger.label}: {trigger.described}, success {100 * trigger.success:.0f} %{index}"


def rank_triggers(
    triggers: Sequence[InvertedTrigger], success: float, reference: Collection[int]
) -> tuple[RankedTrigger, ...]:
    """Orders triggers from the most to the least suspicious.

    Neural Cleanse's outlier rule (Wang et al., IEEE S&P 2019, section 4.2) on logarithms, since sizes are positive and
    skewed, and without the labels whose inversion failed.

    Args:
        triggers: one a label.
        success: the success rate from which on a trigger counts.
        reference: the labels that say what is ordinary; where the triggers of none of them work, no index is known.
    """
    sizes = np.array([trigger.size for trigger in triggers])
    works = np.array([trigger.success >= success for trigger in triggers])
    compared = works & np.array([trigger.label in reference for trigger in triggers])
    index = np.zeros(len(triggers))
    if compared.any():
        index[works] = anomaly_indices(sizes[works], sizes[compared])
    order = np.argsort(-index, kind="stable")
    return tuple(RankedTrigger(triggers[place], float(index[place])) for place in order)


def smallest_of_each(triggers: Sequence[InvertedTrigger], success: float) -> tuple[InvertedTrigger, ...]:
    """Of each label's triggers the smallest that works; where none does, the one nearest to it.

    Args:
        triggers: any number a label.
        success: the success rate from which on a trigger works.

    Returns:
        One a label, the labels in order of their first triggers.
    """
    best: dict[int, InvertedTrigger] = {}
    for trigger in triggers:
        known = best.setdefault(trigger.label, trigger)
        if by_use(trigger, success) < by_use(known, success):
            best[trigger.label] = trigger
    return tuple(best.values())


def by_use(trigger: InvertedTrigger, success: float) -> tuple[bool, float]:
    """A key to sort by: triggers that work, the smallest first, then the others, the most successful first.

    Args:
        trigger: any.
        success: the success rate from which on it works.
    """
    works = trigger.success >= success
    return not works, trigger.size if works else -trigger.success
