"""Evidence of a backdoor: what the smallest triggers of a network's labels say, for the audit and for the repair.

A label is the target of a backdoor if a far smaller change of the pixels leads to it than to ordinary labels (Neural
Cleanse, Wang et al., IEEE S&P 2019), if the change leads there by features unlike those of the label's own images, and
if it works on clean images that it was not fitted to.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.image_set import ImageSet
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.alignment import alignments
from goodnet.pipeline.inversion.few_images import with_variants
from goodnet.pipeline.inversion.index import alignment_indices, joint_indices, middle_and_spread, size_indices
from goodnet.pipeline.inversion.search import SearchSettings, invert_triggers, works
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.trigger_cache import cached_triggers
from goodnet.pipeline.inversion.verdict import LabelEvidence, Ordinary, Verdict, judge
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.run.progress import log

# Fewer images than this are all fitted to, and each trigger is confirmed on them.
_LEAST_TO_HOLD_OUT = 60
# So many images, variants of the others among them, triggers are fitted to at least.
_VARIANTS = 40
# With more labels than this a short search says which of them get a whole one, beside some that stand for all others.
_SCREENED_ABOVE, _FINALISTS, _REFERENCE = 48, 16, 32
_SCREENING_STEPS, _SCREENING_BATCH = 40, 4
_SHOWN = 5


@dataclass(frozen=True)
class Evidence:
    """What is known of a network's labels.

    Attributes:
        verdict: "backdoor", "clean" or "inconclusive", why, and the targets.
        suspicions: of the most suspicious labels, most suspicious first, the targets among them.
        ordinary_size: pixels, the median of the labels' smallest triggers; infinite where most were never reached.
        ordinary_spread: robust standard deviation of the logarithms of these sizes; infinite where none is known.
        ordinary_alignment: median of the labels' alignments, -1..1; NaN where none is known.
        labels: N.
        inverted: how many of them got the whole search.
        reference: how many of these stand for ordinary ones.
        never: how many of the reference no trigger reached; they count as larger than all others.
        fitted_images: clean images that triggers were fitted to.
        held_out_images: clean images that they were confirmed on; 0 where there were too few to hold some out.
    """

    verdict: Verdict
    suspicions: tuple[LabelEvidence, ...]
    ordinary_size: float
    ordinary_spread: float
    ordinary_alignment: float
    labels: int
    inverted: int
    reference: int
    never: int
    fitted_images: int
    held_out_images: int


@dataclass(frozen=True)
class EvidenceSettings:
    """How to search for evidence.

    Attributes:
        search: of every label.
        seed: of what is held out, and of which labels stand for all others.
    """

    search: SearchSettings = field(default_factory=SearchSettings)
    seed: int = 0


def find_evidence(
    network: ScaledNetwork, clean: ImageSet, settings: EvidenceSettings, keep_dir: str | None = None
) -> Evidence:
    """Looks for a backdoor.

    Args:
        network: the suspect.
        clean: clean images; a third is held out where there are enough.
        settings: how.
        keep_dir: where finished searches are kept; what is found there is not searched again.
    """
    classes = network.facts.classes
    fit, held_out = _apart(clean, settings.seed)
    fitted = with_variants(fit, _VARIANTS, settings.seed)

    def search(name: str, labels: Sequence[int], how: SearchSettings) -> tuple[InvertedTrigger, ...]:
        path = None if keep_dir is None else os.path.join(keep_dir, f"{name}.npz")
        return cached_triggers(path, functools.partial(invert_triggers, network, fitted, labels, how))

    chosen = reference = tuple(range(classes))
    if classes > _SCREENED_ABOVE:
        log.info("evidence: screening %d labels", classes)
        short = replace(settings.search, steps=_SCREENING_STEPS, batch_size=_SCREENING_BATCH)
        finalists = [one.label for one in _smallest_first(search("screening", chosen, short))[:_FINALISTS]]
        others = np.setdiff1d(np.arange(classes), finalists)
        drawn = np.random.default_rng([settings.seed, 7]).choice(others, min(_REFERENCE, len(others)), replace=False)
        reference = tuple(map(int, drawn))
        chosen = (*finalists, *reference)
    log.info("evidence: the smallest triggers of %d of %d labels", len(chosen), classes)
    triggers = search("triggers", chosen, settings.search)
    ordinary = np.isin([one.label for one in triggers], reference)
    sizes = np.array([one.size if works(one) else np.inf for one in triggers])
    aligned = alignments(network, clean, triggers, settings.seed)
    suspicions = []
    for suspicion in _most_suspicious(triggers, sizes, aligned, ordinary):
        tried = _success(network, suspicion.trigger, clean if held_out is None else held_out)
        suspicions.append(replace(suspicion, held_out=tried))
        log.info("evidence: %s", suspicions[-1])
    never = int(np.isinf(sizes[ordinary]).sum())
    usual = middle_and_spread(np.log(sizes[ordinary]))
    spread = np.inf if usual is None else usual[1]
    return Evidence(
        judge(suspicions, classes, Ordinary(len(reference), never, spread)),
        tuple(suspicions),
        float(np.median(sizes[ordinary])),
        spread,
        _median(aligned[ordinary]),
        classes,
        len(chosen),
        len(reference),
        never,
        len(fit),
        0 if held_out is None else len(held_out),
    )


def _most_suspicious(
    triggers: Sequence[InvertedTrigger], sizes: np.ndarray, aligned: np.ndarray, ordinary: np.ndarray
) -> list[LabelEvidence]:
    """The labels with the largest indices, then those never reached by success; not tried on held-out images yet."""
    by_size, by_alignment = size_indices(sizes, ordinary), alignment_indices(aligned, ordinary)
    joint = joint_indices(by_size, by_alignment)
    success = np.array([one.success for one in triggers])
    # NaN sorts last.
    return [
        LabelEvidence(
            triggers[place],
            _known(joint[place]),
            _known(by_size[place]),
            _known(aligned[place]),
            float(by_alignment[place]),
            Rate(0, 0),
        )
        for place in np.lexsort((-success, -joint))[:_SHOWN]
    ]


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _median(numbers: np.ndarray) -> float:
    known = numbers[np.isfinite(numbers)]
    return float(np.median(known)) if len(known) else np.nan


def _apart(clean: ImageSet, seed: int) -> tuple[ImageSet, ImageSet | None]:
    if len(clean) < _LEAST_TO_HOLD_OUT:
        return clean.in_memory(), None
    order = np.random.default_rng(seed).permutation(len(clean))
    held_out = len(clean) // 3
    return clean.subset(np.sort(order[held_out:])).in_memory(), clean.subset(np.sort(order[:held_out])).in_memory()


def _smallest_first(triggers: Sequence[InvertedTrigger]) -> list[InvertedTrigger]:
    """The triggers that work, ordered by size, then the others, ordered by success."""
    return sorted(triggers, key=lambda one: (not works(one), one.size if works(one) else -one.success))


def _success(network: ScaledNetwork, trigger: InvertedTrigger, images: ImageSet) -> Rate:
    """Counts the images of other classes that get the trigger's label."""
    others = np.flatnonzero(images.labels != trigger.label)
    hits = 0
    for batch, _ in images.batches(images_at_once(images.image_shape), others):
        pixels = np.rint(trigger.stamp(batch)).astype(np.uint8)
        hits += int((network.classes(pixels) == trigger.label).sum())
    return Rate(hits, len(others))
