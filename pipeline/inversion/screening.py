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
from pipeline.inversion.rarity import index_by_chance, size_at_index
from pipeline.inversion.search import InversionSettings, invert_triggers
from pipeline.inversion.shortlist import Shortlist, ShortlistSettings, shortlist
from pipeline.inversion.suspicious import RankedTrigger, rank_triggers, smallest_of_each
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
        chance: what is beyond chance is so in this share of clean models, 0..1.
        starts_in_doubt: where nothing is, from how many starts more each label's patch is searched.
    """

    inversion: InversionSettings
    warps: WarpSettings
    waves: WaveSettings
    narrowband: NarrowbandSettings
    tournament: TournamentSettings
    shortlist: ShortlistSettings
    chance: float = 0.01
    starts_in_doubt: int = 2


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
        chance_index: the anomaly index from which on a patch or pattern is beyond chance.
        beyond_chance: whether one is, in the first search of each, so that it is more than what leads to an easy class.
            Waves do not count: how many images they lead to an ordinary label depends on how many labels there are.
    """

    patches: tuple[RankedTrigger, ...]
    blends: tuple[RankedTrigger, ...]
    warps: tuple[InvertedWarp, ...]
    success: float
    waves: tuple[InvertedWave, ...]
    narrowband: tuple[InvertedWave, ...]
    reference: frozenset[int]
    chance_index: float
    beyond_chance: bool

    def suspects(self, most: int, least_index: float, most_displacement: float) -> tuple[RankedTrigger, ...]:
        """The most suspicious triggers of each family; if no patch, pattern or warp is one, the first patch.

        Patterns over the whole image that lead to ordinary classes are much of a size, and some stand out by little;
        and some waves lead to ordinary classes. Where the evidence of a patch or a pattern is beyond chance, patterns
        and waves need as much to be suspects besides; where there is a warp, waves do. Narrowband waves are none then.

        Args:
            most: of each family.
            least_index: the anomaly index from which on a patch or pattern is a suspect.
            most_displacement: pixels, below which a warp is a suspect.
        """
        patches, blends = (_from(least_index, family[:most]) for family in (self.patches, self.blends))
        warps = [RankedTrigger(warp, None) for warp in self.warps[:most] if warp.size < most_displacement]
        if self.beyond_chance:
            blends = _from(self.chance_index, blends)
        least_success = _STRONG_WAVE if self.beyond_chance or warps else 0.0
        waves = self._suspected_waves(most, least_success, {ranked.trigger.label for ranked in warps})
        if not (self.beyond_chance or warps):
            given = {ranked.trigger.label for ranked in waves}
            waves += [RankedTrigger(wave, None) for wave in self.narrowband if wave.label not in given]
        return (*((*patches, *blends, *warps) or self.patches[:1]), *waves)

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
    """Tries all waves, narrowband ones too, and inverts a patch, a blended pattern and a warp for each label.

    Of many labels, for those on the short list.

    A short search ends in the trigger or in a smear beside it, as chance has it. Where nothing stands out each label's
    patch is searched again, from other starts, and the smallest counts. Not everywhere: of a clean model's easy classes
    it makes more of a suspect, too.

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

    def inverted(family: str, how: InversionSettings, starts: int = 1) -> tuple[InvertedTrigger, ...]:
        searched = [label for label in labels for _ in range(starts)]
        invert = functools.partial(invert_triggers, model, clean, input_scale, searched, how)
        return kept_found(kept(family), InvertedTrigger, invert)

    bend = functools.partial(invert_warps, model, clean, input_scale, labels, settings.warps)
    warps = kept_found(kept("warps"), InvertedWarp, bend)
    works = sorted((warp for warp in warps if warp.success >= settings.warps.success), key=lambda warp: warp.size)
    how, success = replace(settings.inversion, uniform=False), settings.inversion.success
    found = inverted("patches", how)
    patches = rank_triggers(found, success, reference)
    blends = rank_triggers(inverted("blends", replace(how, uniform=True)), success, reference)
    chance_index = index_by_chance(classes, len(reference), settings.chance)
    beyond_chance = bool(_from(chance_index, [*patches[:1], *blends[:1]]))
    if not beyond_chance:
        # With another seed: other starts, and other images with them.
        more = inverted("more_patches", replace(how, seed=how.seed + 1), settings.starts_in_doubt)
        patches = rank_triggers(smallest_of_each((*found, *more), success), success, reference)
    return Screening(patches, blends, tuple(works), success, waves, narrowband, reference, chance_index, beyond_chance)


def _from(index: float, family: Sequence[RankedTrigger]) -> list[RankedTrigger]:
    return [ranked for ranked in family if ranked.anomaly_index is not None and ranked.anomaly_index >= index]
