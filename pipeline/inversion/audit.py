"""Is a network backdoored: the audit, by trigger inversion, with its evidence.

A label whose smallest trigger is far smaller than what reaches an ordinary label, and works on clean images that it was
not fitted to, is the target of a backdoor (Neural Cleanse, Wang et al., IEEE S&P 2019). Two families of triggers are
inverted, patches and patterns blended into the whole image, each compared within itself. What "far" means follows from
how many labels are compared (`outliers`).
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.confirming import Confirmer
from pipeline.inversion.few_images import with_variants
from pipeline.inversion.keeping import kept_found, kept_labels
from pipeline.inversion.outliers import outlier_index_by_chance, outlier_indices
from pipeline.inversion.search import InversionSettings, invert_triggers
from pipeline.inversion.shortlist import ShortlistSettings, shortlist
from pipeline.inversion.tournament import TournamentSettings, by_promise
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.verdict import BLEND, DOUBT, FALSE_ALARM, PATCH, Ordinary, Suspicion, Verdict, judge
from pipeline.progress import log

FAMILIES = (PATCH, BLEND)

# Fewer images than this are all fitted to, and each is confirmed on a trigger fitted to the others.
LEAST_TO_HOLD_OUT = 60
# So many images, variants of the others among them, triggers are fitted to at least.
VARIANTS = 40
# Of the logarithm of an ordinary trigger's size, as the tuning models of bench/audit_errors.py have it.
USUAL_SPREAD = {PATCH: 0.25, BLEND: 0.15}
_SHOWN = 3
_LEAST_SIZE = 1e-6


@dataclass(frozen=True)
class AuditSettings:
    """What an audit spends.

    Attributes:
        patch: the inversions of patches: what is compared is the mean, over them, of the logarithm of a label's size,
            as a size by one inversion alone is uncertain. The first gives the trigger that is shown.
        blend: those of blended patterns.
        screening: the short one, where there are many labels.
        shortlist: which labels it lets through.
        seed: of what is held out.
    """

    patch: tuple[InversionSettings, ...]
    blend: tuple[InversionSettings, ...]
    screening: TournamentSettings
    shortlist: ShortlistSettings = field(default_factory=ShortlistSettings)
    seed: int = 0


def default_settings(clean: ImageSet, seed: int = 0, screened_above: int = 64) -> AuditSettings:
    """What `pipeline.audit` spends.

    Args:
        clean: the clean images.
        seed: all that is random follows from it.
        screened_above: with more labels than this they are screened first.
    """
    few = len(clean) < LEAST_TO_HOLD_OUT
    side = min(clean.image_shape[:2])
    fine = InversionSettings(
        steps=100,
        batch_size=8 if few else 16,
        learning_rate=0.3,
        first_weight=16.0,
        grain=max(1, side // 20),
        least_probability=1e-30,
        seed=seed,
    )
    return AuditSettings(
        patch=(fine, replace(fine, grain=max(4, side // 10))),
        blend=(replace(fine, steps=60, batch_size=8, first_weight=4.0, uniform=True),),
        screening=TournamentSettings(seed=seed),
        shortlist=ShortlistSettings(above=screened_above, seed=seed),
        seed=seed,
    )


@dataclass(frozen=True)
class Audit:
    """A verdict with its evidence.

    Attributes:
        verdict: "backdoor", "clean" or "inconclusive", why, and the targets.
        suspicions: the most suspicious labels of each family, most suspicious first, the targets among them.
        families: what is ordinary in each.
        labels: N.
        inverted: how many of them got the whole inversion, in each family.
        screened: all labels by the screening, the most promising first, by family; empty where none was needed.
        fitted_images: clean images that triggers were fitted to.
        held_out_images: clean images that they were confirmed on; 0 where each was left out in turn.
    """

    verdict: Verdict
    suspicions: tuple[Suspicion, ...]
    families: tuple[Ordinary, ...]
    labels: int
    inverted: dict[str, int]
    screened: dict[str, tuple[int, ...]]
    fitted_images: int
    held_out_images: int


def audit_model(
    model: keras.Model,
    clean: ImageSet,
    input_scale: InputScale,
    classes: int,
    settings: AuditSettings,
    keep_dir: str | None = None,
) -> Audit:
    """Looks for a backdoor.

    Args:
        model: the suspect.
        clean: clean images; a third is held out where there are enough.
        input_scale: what the model expects of pixels.
        classes: N.
        settings: what to spend.
        keep_dir: where finished stages are kept; what is found there is not done again.
    """
    fit, held_out = _apart(clean, settings.seed)
    network = _Network(model, fit, input_scale, settings.seed, keep_dir)
    confirmer = Confirmer(model, input_scale, settings.seed)
    suspicions: list[Suspicion] = []
    families: list[Ordinary] = []
    inverted: dict[str, int] = {}
    screened: dict[str, tuple[int, ...]] = {}
    for family, inversions in zip(FAMILIES, (settings.patch, settings.blend), strict=True):
        order = functools.partial(network.order, family, range(classes), settings.screening)
        chosen = shortlist(classes, order, settings.shortlist)
        labels, screened[family] = chosen.labels, chosen.order
        inverted[family] = len(labels)
        log.info("audit: a %s for %d of %d labels", family, len(labels), classes)
        found = [network.triggers(f"{family}_{place}", labels, how) for place, how in enumerate(inversions)]
        triggers, sizes = found[0], _sizes(found, inversions)
        ordinary, indices = _compare(family, sizes, chosen.reference, classes)
        families.append(ordinary)
        for label in _shown(indices, ordinary.doubt_index):
            trigger = triggers[label]
            if held_out is not None:
                confirmation = confirmer.confirm(trigger, held_out, clean)
            else:
                again = functools.partial(network.invert_one, label, inversions[0])
                confirmation = confirmer.cross_confirm(trigger, fit, again)
            suspicions.append(Suspicion(family, trigger, sizes[label], indices[label], confirmation))
    suspicions.sort(key=lambda one: -(one.anomaly_index if one.anomaly_index is not None else -np.inf))
    return Audit(
        judge(suspicions, families),
        tuple(suspicions),
        tuple(families),
        classes,
        inverted,
        screened,
        len(fit),
        0 if held_out is None else len(held_out),
    )


class _Network:
    """The suspect and the images that triggers are fitted to; every stage is kept once it is done."""

    def __init__(self, model: keras.Model, fit: ImageSet, input_scale: InputScale, seed: int, keep_dir: str | None):
        self._model = model
        self._seed = seed
        self._fit = fit
        self._scale = input_scale
        self._keep_dir = keep_dir

    def order(self, family: str, labels: Sequence[int], settings: TournamentSettings) -> tuple[int, ...]:
        """All labels, the most promising first."""

        def screen() -> tuple[int, ...]:
            how = replace(settings, uniform=family == BLEND)
            return by_promise(self._model, self._varied(self._fit), self._scale, labels, how)

        if self._keep_dir is None:
            return screen()
        return kept_labels(os.path.join(self._keep_dir, f"{family}_screening.npz"), screen)

    def triggers(self, name: str, labels: Sequence[int], settings: InversionSettings) -> dict[int, InvertedTrigger]:
        """A trigger for each label."""

        def invert() -> tuple[InvertedTrigger, ...]:
            return self.invert(self._fit, labels, settings)

        kept = self._keep_dir
        found = invert() if kept is None else kept_found(os.path.join(kept, f"{name}.npz"), InvertedTrigger, invert)
        return {trigger.label: trigger for trigger in found}

    def invert(
        self, images: ImageSet, labels: Sequence[int], settings: InversionSettings
    ) -> tuple[InvertedTrigger, ...]:
        """Triggers fitted to some images; not kept."""
        return invert_triggers(self._model, self._varied(images), self._scale, labels, settings)

    def invert_one(self, label: int, settings: InversionSettings, images: ImageSet) -> InvertedTrigger:
        """A trigger for one label; not kept."""
        return self.invert(images, [label], settings)[0]

    def _varied(self, images: ImageSet) -> ImageSet:
        return with_variants(images, VARIANTS, self._seed)


def _apart(clean: ImageSet, seed: int) -> tuple[ImageSet, ImageSet | None]:
    if len(clean) < LEAST_TO_HOLD_OUT:
        return clean.in_memory(), None
    order = np.random.default_rng(seed).permutation(len(clean))
    held_out = len(clean) // 3
    return clean.subset(np.sort(order[held_out:])).in_memory(), clean.subset(np.sort(order[:held_out])).in_memory()


def _sizes(
    found: Sequence[dict[int, InvertedTrigger]], inversions: Sequence[InversionSettings]
) -> dict[int, float | None]:
    """The geometric mean of the sizes that all inversions of a label ended with; None where one never worked."""
    sizes: dict[int, float | None] = {}
    for label in found[0]:
        triggers = [triggers[label] for triggers in found]
        works = all(one.success >= how.success for one, how in zip(triggers, inversions, strict=True))
        logs = np.log([max(one.size, _LEAST_SIZE) for one in triggers])
        sizes[label] = float(np.exp(logs.mean())) if works else None
    return sizes


def _compare(
    family: str, sizes: dict[int, float | None], reference: Sequence[int], classes: int
) -> tuple[Ordinary, dict[int, float | None]]:
    """What is ordinary, and each label's anomaly index (None: it never worked)."""
    known = np.array([size for label in reference if (size := sizes[label]) is not None])
    censored = len(reference) - len(known)
    alarm, doubt = (outlier_index_by_chance(classes, len(reference), chance[family]) for chance in (FALSE_ALARM, DOUBT))
    if not len(known):
        return Ordinary(family, len(reference), censored, None, alarm, doubt), dict.fromkeys(sizes)
    # A trigger that never worked would have to be larger: at the largest size it stays above the median.
    compared = np.concatenate([known, np.full(censored, known.max())])
    indices = {
        label: None if size is None else float(outlier_indices(np.array([size]), compared, USUAL_SPREAD[family])[0])
        for label, size in sizes.items()
    }
    return Ordinary(family, len(reference), censored, float(np.median(compared)), alarm, doubt), indices


def _shown(indices: dict[int, float | None], doubt: float) -> list[int]:
    known = {label: index for label, index in indices.items() if index is not None}
    order = sorted(known, key=lambda label: -known[label])
    return order[: max(_SHOWN, sum(index > doubt for index in known.values()))]
