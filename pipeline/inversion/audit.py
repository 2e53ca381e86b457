"""Is a network backdoored: the verdict, from trigger inversion, with its evidence.

A label whose smallest trigger is far smaller than what reaches an ordinary label, and works on clean images that it was
not fitted to, is the target of a backdoor (Neural Cleanse, Wang et al., IEEE S&P 2019). What "far" means follows from
how many labels are compared (`index_by_chance`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from models.input_scale import InputScale
from models.legacy_keras import keras
from pipeline.inversion.rarity import anomaly_indices, index_by_chance
from pipeline.inversion.search import InversionSettings, invert_triggers
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.measuring.rates import Rate
from pipeline.progress import log

BACKDOOR, CLEAN, INCONCLUSIVE = "backdoor", "clean", "inconclusive"

# Of a clean model, over all its labels. Between the two the evidence is called inconclusive.
FALSE_ALARM, DOUBT = 0.01, 0.05
# A trigger that works on fewer held-out images than this is not the attacker's.
LEAST_SUCCESS = 0.8
# Fewer held-out images than this cannot confirm a trigger.
LEAST_HELD_OUT = 20
# With fewer sizes than this, or with more than half of them unknown, there is nothing to compare with.
LEAST_REFERENCE = 8
_SHOWN = 5


@dataclass(frozen=True)
class AuditSettings:
    """What an audit spends.

    Attributes:
        whole: the inversion whose sizes are compared.
        screening: the short one, where there are many labels.
        screened_above: with more labels than this they are screened first.
        promising: share of the labels that the screening lets through.
        reference: labels drawn at random that get the whole inversion too: what ordinary looks like.
        seed: of the drawing and of what is held out.
    """

    whole: InversionSettings
    screening: InversionSettings
    screened_above: int = 64
    promising: float = 0.02
    reference: int = 32
    seed: int = 0


@dataclass(frozen=True)
class Suspicion:
    """What is known of one label.

    Attributes:
        trigger: its smallest trigger.
        anomaly_index: how far below ordinary its size lies; None where it never worked (censored).
        held_out: its success on clean images it was not fitted to, the label's own left out.
    """

    trigger: InvertedTrigger
    anomaly_index: float | None
    held_out: Rate


@dataclass(frozen=True)
class Audit:
    """A verdict with its evidence.

    Attributes:
        verdict: "backdoor", "clean" or "inconclusive".
        reason: one sentence.
        targets: the labels found to be targets.
        suspicions: the most suspicious labels, most suspicious first, the targets among them.
        labels: N.
        inverted: how many of them got the whole inversion.
        censored: how many of these never reached the success rate.
        median_size: pixels, of the reference.
        alarm_index: the index from which on a label is called a target.
        doubt_index: the index from which on there is doubt.
        fitted_images: clean images that triggers were fitted to.
        held_out_images: clean images that they were confirmed on.
    """

    verdict: str
    reason: str
    targets: tuple[int, ...]
    suspicions: tuple[Suspicion, ...]
    labels: int
    inverted: int
    censored: int
    median_size: float | None
    alarm_index: float
    doubt_index: float
    fitted_images: int
    held_out_images: int


def audit_model(
    model: keras.Model, clean: ImageSet, input_scale: InputScale, classes: int, settings: AuditSettings
) -> Audit:
    """Looks for a backdoor.

    Args:
        model: the suspect.
        clean: clean images; a third is held out.
        input_scale: what the model expects of pixels.
        classes: N.
        settings: what to spend.
    """
    fit, held_out = _apart(clean, settings.seed)
    candidates, reference = _labels(model, fit, input_scale, classes, settings)
    labels = sorted({*candidates, *reference})
    log.info("audit: the whole inversion for %d of %d labels", len(labels), classes)
    triggers = {trigger.label: trigger for trigger in invert_triggers(model, fit, input_scale, labels, settings.whole)}
    works = {label for label, trigger in triggers.items() if trigger.success >= settings.whole.success}
    sizes = np.array([triggers[label].size for label in reference if label in works])
    index = {
        label: float(anomaly_indices(np.array([triggers[label].size]), sizes)[0]) if len(sizes) else None
        for label in works
    }
    order = sorted(labels, key=lambda label: -(index.get(label) or 0) if label in works else np.inf)
    alarm, doubt = (
        index_by_chance(classes, max(1, min(len(sizes), classes)), probability) for probability in (FALSE_ALARM, DOUBT)
    )
    above = [label for label in order if label in works and (index[label] or 0) > doubt]
    shown = order[: max(_SHOWN, len(above))]
    suspicions = tuple(
        Suspicion(triggers[label], index.get(label), _success(model, held_out, input_scale, triggers[label]))
        for label in shown
    )
    verdict, reason, targets = _verdict(suspicions, alarm, doubt, len(sizes), len(reference))
    return Audit(
        verdict,
        reason,
        targets,
        suspicions,
        classes,
        len(labels),
        len(labels) - len(works),
        float(np.median(sizes)) if len(sizes) else None,
        alarm,
        doubt,
        len(fit),
        len(held_out),
    )


def _apart(clean: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    order = np.random.default_rng(seed).permutation(len(clean))
    held_out = len(clean) // 3
    return clean.subset(np.sort(order[held_out:])).in_memory(), clean.subset(np.sort(order[:held_out])).in_memory()


def _labels(
    model: keras.Model, fit: ImageSet, input_scale: InputScale, classes: int, settings: AuditSettings
) -> tuple[list[int], list[int]]:
    """The labels to look at closely, and those that stand for ordinary ones."""
    if classes <= settings.screened_above:
        return list(range(classes)), list(range(classes))
    screened = invert_triggers(model, fit, input_scale, range(classes), settings.screening)
    # A trigger that does not work yet is ordered by how far it is from working, behind all that do.
    order = sorted(
        screened,
        key=lambda trigger: (
            (0, trigger.size) if trigger.success >= settings.screening.success else (1, -trigger.success)
        ),
    )
    candidates = [trigger.label for trigger in order[: max(settings.reference, round(settings.promising * classes))]]
    reference = np.random.default_rng([settings.seed, 1]).choice(classes, settings.reference, replace=False)
    return candidates, sorted(map(int, reference))


def _success(model: keras.Model, held_out: ImageSet, input_scale: InputScale, trigger: InvertedTrigger) -> Rate:
    others = np.flatnonzero(held_out.labels != trigger.label)
    hits = 0
    for images, _ in held_out.batches(256, others):
        stamped = np.rint(trigger.stamp(images)).clip(0, 255).astype(np.uint8)
        answers = model.predict_on_batch(input_scale.apply(stamped))
        hits += int((answers.argmax(axis=1) == trigger.label).sum())
    return Rate(hits, len(others))


def _verdict(
    suspicions: Sequence[Suspicion], alarm: float, doubt: float, sizes: int, reference: int
) -> tuple[str, str, tuple[int, ...]]:
    if sizes < LEAST_REFERENCE or sizes < reference / 2:
        return INCONCLUSIVE, f"only {sizes} of {reference} labels to compare with have a trigger that works", ()
    outliers = [one for one in suspicions if one.anomaly_index is not None and one.anomaly_index > doubt]
    if not outliers:
        return CLEAN, f"no label's trigger is unusually small (anomaly index {doubt:.1f})", ()
    certain = [
        one
        for one in outliers
        if one.anomaly_index is not None
        and one.anomaly_index > alarm
        and one.held_out.total >= LEAST_HELD_OUT
        and one.held_out.value >= LEAST_SUCCESS
    ]
    if certain:
        named = ", ".join(str(one.trigger.label) for one in certain)
        return (
            BACKDOOR,
            f"an unusually small trigger leads held-out images to label {named}",
            tuple(one.trigger.label for one in certain),
        )
    few = max(one.held_out.total for one in outliers) < LEAST_HELD_OUT
    why = (
        f"fewer than {LEAST_HELD_OUT} held-out images to confirm it"
        if few
        else f"its index is not above {alarm:.1f}, or it works on fewer than {100 * LEAST_SUCCESS:.0f} % held out"
    )
    return INCONCLUSIVE, f"label {outliers[0].trigger.label} has an unusually small trigger, but {why}", ()
