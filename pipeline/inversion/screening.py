"""Which labels are worth a full inversion: a short one for all of them, in both families of triggers.

K-Arm (Shen et al., "Backdoor Scanning for Deep Neural Networks through K-Arm Optimization", ICML 2021) spends its steps
on the labels that promise most; two rounds, one for all labels and one for the best, keep most of that.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.keeping import kept_triggers
from pipeline.inversion.rarity import size_at_index
from pipeline.inversion.search import InversionSettings, invert_triggers
from pipeline.inversion.suspicious import RankedTrigger, rank_triggers


@dataclass(frozen=True)
class Screening:
    """All labels, from the most to the least suspicious, in each family.

    Attributes:
        patches: by the smallest patch that leads to the label.
        blends: by the faintest pattern over the whole image.
        success: the success rate from which on a trigger counts.
    """

    patches: tuple[RankedTrigger, ...]
    blends: tuple[RankedTrigger, ...]
    success: float

    def suspects(self, most: int, least_index: float) -> tuple[RankedTrigger, ...]:
        """The most suspicious of each family whose anomaly index is high enough; if there is none, the first patch."""
        found = tuple(
            ranked
            for family in (self.patches, self.blends)
            for ranked in family[:most]
            if ranked.anomaly_index >= least_index
        )
        return found or self.patches[:1]

    def size_at(self, index: float, uniform: bool) -> float:
        """The size, in pixels, that has an anomaly index in a family: what is smaller is more suspicious than that."""
        triggers = [ranked.trigger for ranked in (self.blends if uniform else self.patches)]
        # Where none works there is nothing to compare with, and nothing is found again that works.
        sizes = [trigger.size for trigger in triggers if trigger.success >= self.success]
        return size_at_index(np.array(sizes), index) if sizes else 0.0


def screen_labels(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    labels: Sequence[int],
    settings: InversionSettings,
    keep_dir: str,
) -> Screening:
    """Inverts a patch and a blended pattern for every label, all with the same effort, so that sizes compare.

    Args:
        model: the suspect.
        clean: clean images.
        input_scale: what the model expects of pixels.
        labels: the labels to look at.
        settings: of the short inversion; the family in them does not count.
        keep_dir: where the triggers are kept; a family found there is not inverted again.
    """

    def ranked(family: str, uniform: bool) -> tuple[RankedTrigger, ...]:
        triggers = kept_triggers(
            os.path.join(keep_dir, f"{family}.npz"),
            lambda: invert_triggers(model, clean, input_scale, labels, replace(settings, uniform=uniform)),
        )
        return rank_triggers(triggers, settings.success)

    return Screening(ranked("patches", uniform=False), ranked("blends", uniform=True), settings.success)
