"""Which labels are suspicious: a short inversion for all of them, in four families of triggers.

Of many labels only those get one that a tournament finds promising (`tournament`), those that waves lead to, and some
at random to compare with.
"""

import functools
import math
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
# What is drawn for the second search of patches is drawn nowhere else: unlearning takes the seeds next to the first.
_SECOND_SEED = 1000


@dataclass(frozen=True)
class ScreeningSettings:
    """What a screening spends.

    Attributes:
        inversion: the short inversion of patches and patterns; the family in it does not count.
        warps: that of warps.
        waves: the search of waves, which looks at all labels.
        narrowband: that of narrowband waves, which does so too, where nothing is beyond chance.
        tournament: where there are many labels: which are promising; the family in it does not count.
        shortlist: how many labels are many, and how many of them are inverted.
        chance: what is beyond chance is so in this share of clean models, 0..1.
        more_starts: from how many starts each label's patch is searched a second time.
    """

    inversion: InversionSettings
    warps: WarpSettings
    waves: WaveSettings
    narrowband: NarrowbandSettings
    tournament: TournamentSettings
    shortlist: ShortlistSettings
    chance: float = 0.01
    more_starts: int = 2


@dataclass(frozen=True)
class Screening:
    """All labels, from the most to the least suspicious, in each family.

    Attributes:
        patches: by the smallest patch that leads to the label.
        blends: by the faintest pattern over the whole image.
        warps: by the smallest warp; only of labels that a warp leads to.
        success: the success rate from which on a patch or pattern counts.
        waves: by how many images they lead to their label, which may occur several times.
        narrowband: narrowband waves, those of the fewest frequencies first; not sought beside what is beyond chance.
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
            most: of each family but narrowband waves, of which there are few.
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

    def all_suspects(self, most: int, most_displacement: float) -> tuple[RankedTrigger, ...]:
        """Every patch and pattern that works, beside the warps and waves of `suspects`: where labels are too few.

        Among so few labels no size is beyond chance, and each of them may be the target. Its index says nothing.
        """
        reached = [
            RankedTrigger(ranked.trigger, None)
            for ranked in (*self.patches, *self.blends)
            if ranked.trigger.success >= self.success
        ]
        others = self.suspects(most, math.inf, most_displacement)
        return (*reached, *(ranked for ranked in others if not isinstance(ranked.trigger, InvertedTrigger)))

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
    """Tries all waves, and inverts a patch, a blended pattern and a warp for each label; of many, of the short list.

    A short search ends in the trigger or in a smear beside it, as chance has it, so that patches are searched twice,
    and the smallest counts. Whether anything is beyond chance says the first search alone: of more, the smallest makes
    a clean model's easy classes stand out, too.

    Args:
        model: the suspect.
        clean: clean images.
        input_scale: what the model expects of pixels.
        classes: N.
        settings: what to spend.
        keep_dir: where the triggers are kept; a family found there is not inverted again.
    """
    searches = _Searches(model, clean, input_scale, settings, keep_dir)
    waves = searches.waves()
    lists = searches.shortlist(classes, uniform=False), searches.shortlist(classes, uniform=True)
    reference = frozenset(lists[0].reference)
    labels = sorted({*lists[0].labels, *lists[1].labels, *(wave.label for wave in waves)})
    log.info("screening: %d of %d labels", len(labels), classes)

    success = settings.inversion.success
    first, more = searches.patches(labels), searches.more_patches(labels)
    patches = rank_triggers(smallest_of_each((*first, *more), success), success, reference)
    blends = rank_triggers(searches.blends(labels), success, reference)
    chance_index = index_by_chance(classes, len(reference), settings.chance)
    beyond_chance = bool(_from(chance_index, (*rank_triggers(first, success, reference), *blends)))
    narrowband = () if beyond_chance else searches.narrowband()
    warps = searches.warps(labels)
    return Screening(patches, blends, warps, success, waves, narrowband, reference, chance_index, beyond_chance)


@dataclass(frozen=True)
class _Searches:
    """The searches of one suspect, each of which keeps what it finds in a file."""

    model: keras.Model
    clean: ImageSet
    input_scale: InputScale
    settings: ScreeningSettings
    keep_dir: str

    def shortlist(self, classes: int, uniform: bool) -> Shortlist:
        how = replace(self.settings.tournament, uniform=uniform)
        order = functools.partial(by_promise, self.model, self.clean, self.input_scale, range(classes), how)
        path = self._path("blends_order" if uniform else "patches_order")
        return shortlist(classes, lambda: kept_labels(path, order), self.settings.shortlist)

    def patches(self, labels: Sequence[int]) -> tuple[InvertedTrigger, ...]:
        return self._inverted("patches", labels, replace(self.settings.inversion, uniform=False))

    def more_patches(self, labels: Sequence[int]) -> tuple[InvertedTrigger, ...]:
        # With another seed: other starts, and other images with them.
        how = replace(self.settings.inversion, uniform=False, seed=self.settings.inversion.seed + _SECOND_SEED)
        searched = [label for label in labels for _ in range(self.settings.more_starts)]
        return self._inverted("more_patches", searched, how)

    def blends(self, labels: Sequence[int]) -> tuple[InvertedTrigger, ...]:
        return self._inverted("blends", labels, replace(self.settings.inversion, uniform=True))

    def warps(self, labels: Sequence[int]) -> tuple[InvertedWarp, ...]:
        """Those that lead to their label, the smallest first."""
        how = self.settings.warps
        bend = functools.partial(invert_warps, self.model, self.clean, self.input_scale, labels, how)
        found = kept_found(self._path("warps"), InvertedWarp, bend)
        return tuple(sorted((warp for warp in found if warp.success >= how.success), key=lambda warp: warp.size))

    def waves(self) -> tuple[InvertedWave, ...]:
        search = functools.partial(find_waves, self.model, self.clean, self.input_scale, self.settings.waves)
        return kept_found(self._path("waves"), InvertedWave, search)

    def narrowband(self) -> tuple[InvertedWave, ...]:
        how = self.settings.waves, self.settings.narrowband
        search = functools.partial(find_narrowband_waves, self.model, self.clean, self.input_scale, *how)
        return kept_found(self._path("narrowband"), InvertedWave, search)

    def _inverted(self, name: str, labels: Sequence[int], how: InversionSettings) -> tuple[InvertedTrigger, ...]:
        invert = functools.partial(invert_triggers, self.model, self.clean, self.input_scale, labels, how)
        return kept_found(self._path(name), InvertedTrigger, invert)

    def _path(self, name: str) -> str:
        return os.path.join(self.keep_dir, f"{name}.npz")


def _from(index: float, family: Sequence[RankedTrigger]) -> list[RankedTrigger]:
    return [ranked for ranked in family if ranked.anomaly_index is not None and ranked.anomaly_index >= index]
