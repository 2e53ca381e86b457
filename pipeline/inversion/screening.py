"""Which labels are suspicious: a short inversion for all of them, in four families of triggers.

K-Arm (Shen et al., "Backdoor Scanning for Deep Neural Networks through K-Arm Optimization", ICML 2021) spends its steps
on the labels that promise most; two rounds, one for all labels and one for the best, keep most of that.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.keeping import kept_triggers
from pipeline.inversion.rarity import size_at_index
from pipeline.inversion.search import InversionSettings, invert_triggers
from pipeline.inversion.suspicious import RankedTrigger, rank_triggers
from pipeline.inversion.warps import InvertedWarp, WarpSettings, invert_warps, kept_warps
from pipeline.inversion.waves import InvertedWave, WaveSettings, find_waves, kept_waves

# What a trigger over the whole image was planted for is the label that waves lead most images to, or about as many.
_ABOUT = 0.9
# Waves led up to 74 % of the images to an ordinary label, in 25 networks of 43 or 48 labels.
_CERTAIN_WAVE = 0.75


@dataclass(frozen=True)
class Screening:
    """All labels, from the most to the least suspicious, in each family.

    Attributes:
        patches: by the smallest patch that leads to the label.
        blends: by the faintest pattern over the whole image.
        warps: by the smallest warp; only of labels that a warp leads to.
        success: the success rate from which on a patch or pattern counts.
        waves: by how many images they lead to their label, which may occur several times.
    """

    patches: tuple[RankedTrigger, ...]
    blends: tuple[RankedTrigger, ...]
    warps: tuple[InvertedWarp, ...]
    success: float
    waves: tuple[InvertedWave, ...] = ()

    def suspects(
        self, most: int, least_index: float, chance_index: float, most_displacement: float
    ) -> tuple[RankedTrigger, ...]:
        """The most suspicious triggers of each family; if no patch, pattern or warp is one, the first patch.

        Patterns over the whole image that lead to ordinary classes are much of a size, and some stand out by little;
        and some waves lead to ordinary classes. Where the evidence of anything is beyond chance, patterns and waves
        need as much to be suspects besides.

        Args:
            most: of each family.
            least_index: the anomaly index from which on a patch or pattern is a suspect.
            chance_index: the one from which on it is beyond chance.
            most_displacement: pixels, below which a warp is a suspect.
        """
        patches, blends = (_from(least_index, family[:most]) for family in (self.patches, self.blends))
        warps = [RankedTrigger(warp, None) for warp in self.warps[:most] if warp.size < most_displacement]
        beyond = self.beyond_chance(chance_index)
        if beyond:
            blends = _from(chance_index, blends)
        least_success = _CERTAIN_WAVE if beyond else 0.0
        waves = self._suspected_waves(most, least_success, {ranked.trigger.label for ranked in warps})
        return (*((*patches, *blends, *warps) or self.patches[:1]), *waves)

    def beyond_chance(self, chance_index: float) -> bool:
        """Whether a patch or a pattern is more than what leads to an easy class.

        Waves do not count: how many images they lead to an ordinary label depends on how many labels there are.

        Args:
            chance_index: the anomaly index from which on one is.
        """
        return bool(_from(chance_index, [*self.patches[:1], *self.blends[:1]]))

    def _suspected_waves(self, most: int, least_success: float, warped: Collection[int]) -> list[RankedTrigger]:
        """The waves of the label that is most given to them, and of those about as much so.

        A network that was taught a warp answers to waves, too, but to unlearn these instead leaves more of the warp.
        """
        best = max((wave.success for wave in self.waves), default=0)
        near = [wave.label for wave in self.waves if wave.success >= max(_ABOUT * best, least_success)]
        labels = list(dict.fromkeys(near))[:most]
        return [RankedTrigger(wave, None) for wave in self.waves if wave.label in labels and wave.label not in warped]

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
    warp_settings: WarpSettings,
    wave_settings: WaveSettings,
    keep_dir: str,
) -> Screening:
    """Inverts a patch, a blended pattern and a warp for every label, all with the same effort, and tries all waves.

    Args:
        model: the suspect.
        clean: clean images.
        input_scale: what the model expects of pixels.
        labels: the labels to look at.
        settings: of the short inversion of patches and patterns; the family in them does not count.
        warp_settings: of that of warps.
        wave_settings: of the search of waves, which looks at all the network's labels.
        keep_dir: where the triggers are kept; a family found there is not inverted again.
    """

    def ranked(family: str, uniform: bool) -> tuple[RankedTrigger, ...]:
        triggers = kept_triggers(
            os.path.join(keep_dir, f"{family}.npz"),
            lambda: invert_triggers(model, clean, input_scale, labels, replace(settings, uniform=uniform)),
        )
        return rank_triggers(triggers, settings.success)

    warps = kept_warps(
        os.path.join(keep_dir, "warps.npz"), lambda: invert_warps(model, clean, input_scale, labels, warp_settings)
    )
    works = sorted((warp for warp in warps if warp.success >= warp_settings.success), key=lambda warp: warp.size)
    patches, blends = ranked("patches", uniform=False), ranked("blends", uniform=True)
    waves = kept_waves(
        os.path.join(keep_dir, "waves.npz"), lambda: find_waves(model, clean, input_scale, wave_settings)
    )
    return Screening(patches, blends, tuple(works), settings.success, waves)


def _from(index: float, family: Sequence[RankedTrigger]) -> list[RankedTrigger]:
    return [ranked for ranked in family if ranked.anomaly_index is not None and ranked.anomaly_index >= index]
