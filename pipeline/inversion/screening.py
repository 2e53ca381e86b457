"""Which labels are suspicious: a short inversion for all of them, in four families of triggers.

Of many labels only those get one that a tournament finds promising (`tournament`), those that waves lead to, and some
at random to compare with.
"""

import functools
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.keeping import kept_found, kept_labels
from pipeline.inversion.narrowband import NarrowbandSettings, find_narrowband_waves
from pipeline.inversion.rarity import size_at_index
from pipeline.inversion.search import InversionSettings, invert_triggers
from pipeline.inversion.shortlist import Shortlist, ShortlistSettings, shortlist
from pipeline.inversion.suspicious import RankedTrigger, rank_triggers
from pipeline.inversion.tournament import TournamentSettings, by_promise
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp, WarpSettings, invert_warps
from pipeline.inversion.waves import InvertedWave, WaveSettings, find_waves
from pipeline.progress import log

# What a trigger over the whole image was planted for is the label that waves lead most images to, or about as many.
_ABOUT = 0.9
# Of the benchmark's networks, of 43 or 48 labels, waves lead so many images to an ordinary label in some ResNets only.
_STRONG_WAVE = 0.75


@dataclass(frozen=True)
class ScreeningSettings:
    """What a screening spends.

    Attributes:
        inversion: the short inversion of patches and patterns; the family in it does not count.
        warps: that of warps.
        waves: the search of waves, which looks at all labels.
        narrowband: that of narrowband waves, which does so too.
        tournament: where there are many labels: which are promising; the family in it does not count.
        shortlist: how many labels are many, and how many of them are inverted.
    """

    inversion: InversionSettings
    warps: WarpSettings
    waves: WaveSettings
    narrowband: NarrowbandSettings
    tournament: TournamentSettings
    shortlist: ShortlistSettings


@dataclass(frozen=True)
class Screening:
    """All labels, from the most to the least suspicious, in each family.

    Attributes:
        patches: by the smallest patch that leads to the label.
        blends: by the faintest pattern over the whole image.
        warps: by the smallest warp; only of labels that a warp leads to.
        success: the success rate from which on a patch or pattern counts.
        waves: by how many images they lead to their label, which may occur several times.
        narrowband: narrowband waves, those of the fewest frequencies first.
        reference: the labels that say what is ordinary.
    """

    patches: tuple[RankedTrigger, ...]
    blends: tuple[RankedTrigger, ...]
    warps: tuple[InvertedWarp, ...]
    success: float
    waves: tuple[InvertedWave, ...]
    narrowband: tuple[InvertedWave, ...]
    reference: frozenset[int]

    def suspects(
        self, most: int, least_index: float, chance_index: float, most_displacement: float
    ) -> tuple[RankedTrigger, ...]:
        """The most suspicious triggers of each family; if no patch, pattern or warp is one, the first patch.

        Patterns over the whole image that lead to ordinary classes are much of a size, and some stand out by little;
        and some waves lead to ordinary classes. Where the evidence of a patch or a pattern is beyond chance, patterns
        and waves need as much to be suspects besides; where there is a warp, waves do. Narrowband waves are none then.

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
        least_success = _STRONG_WAVE if beyond or warps else 0.0
        waves = self._suspected_waves(most, least_success, {ranked.trigger.label for ranked in warps})
        if not (beyond or warps):
            given = {ranked.trigger.label for ranked in waves}
            waves += [RankedTrigger(wave, None) for wave in self.narrowband if wave.label not in given]
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
        compared = [trigger for trigger in triggers if trigger.label in self.reference]
        # Where none works there is nothing to compare with, and nothing is found again that works.
        sizes = [trigger.size for trigger in compared if trigger.success >= self.success]
        return size_at_index(np.array(sizes), index) if sizes else 0.0


def screen_labels(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    classes: int,
    settings: ScreeningSettings,
    keep_dir: str,
) -> Screening:
    """Tries all waves, and inverts a patch, a blended pattern and a warp for each label, all with the same effort.

    Args:
        model: the suspect.
        clean: clean images.
        input_scale: what the model expects of pixels.
        classes: N.
        settings: what to spend.
        keep_dir: where the triggers are kept; a family found there is not inverted again.
    """

    def kept(name: str) -> str:
        return os.path.join(keep_dir, f"{name}.npz")

    def chosen(uniform: bool) -> Shortlist:
        how = replace(settings.tournament, uniform=uniform)
        order = functools.partial(by_promise, model, clean, input_scale, range(classes), how)
        name = "blends_order" if uniform else "patches_order"
        return shortlist(classes, lambda: kept_labels(kept(name), order), settings.shortlist)

    wave_search = functools.partial(find_waves, model, clean, input_scale, settings.waves)
    waves = kept_found(kept("waves"), InvertedWave, wave_search)
    narrow_search = functools.partial(
        find_narrowband_waves, model, clean, input_scale, settings.waves, settings.narrowband
    )
    narrowband = kept_found(kept("narrowband"), InvertedWave, narrow_search)
    lists = chosen(uniform=False), chosen(uniform=True)
    reference = frozenset(lists[0].reference)
    labels = sorted({*lists[0].labels, *lists[1].labels, *(wave.label for wave in (*waves, *narrowband))})
    log.info("screening: %d of %d labels", len(labels), classes)

    def ranked(family: str, uniform: bool) -> tuple[RankedTrigger, ...]:
        how = replace(settings.inversion, uniform=uniform)
        invert = functools.partial(invert_triggers, model, clean, input_scale, labels, how)
        return rank_triggers(kept_found(kept(family), InvertedTrigger, invert), how.success, reference)

    bend = functools.partial(invert_warps, model, clean, input_scale, labels, settings.warps)
    warps = kept_found(kept("warps"), InvertedWarp, bend)
    works = sorted((warp for warp in warps if warp.success >= settings.warps.success), key=lambda warp: warp.size)
    patches, blends = ranked("patches", uniform=False), ranked("blends", uniform=True)
    return Screening(patches, blends, tuple(works), settings.inversion.success, waves, narrowband, reference)


def _from(index: float, family: Sequence[RankedTrigger]) -> list[RankedTrigger]:
    return [ranked for ranked in family if ranked.anomaly_index is not None and ranked.anomaly_index >= index]
