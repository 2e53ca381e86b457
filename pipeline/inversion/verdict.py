"""From the evidence on each label to a verdict: backdoor, clean or inconclusive."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.inversion.confirming import Confirmation
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.measuring.exact import least_share

BACKDOOR, CLEAN, INCONCLUSIVE = "backdoor", "clean", "inconclusive"
PATCH, BLEND = "patch", "blend"

# How often, in theory, a clean model has a label this far out, over all its labels; between the two the evidence is
# inconclusive. What the triggers must do besides makes false alarms rarer. Patches get the larger share of doubt:
# ordinary blends differ so little in size that a target stands out anyway. Chosen on the tuning models of
# bench/audit_errors.py, whose clean ones stay well below it.
FALSE_ALARM = {PATCH: 0.03, BLEND: 0.01}
DOUBT = {PATCH: 0.10, BLEND: 0.03}
# A trigger that works on fewer held-out images than this is not the attacker's, ...
LEAST_SUCCESS = 0.8
# ... nor is one of which so few were tried that it may as well fail on half of them (95 %, one-sided): 5 of 5 will do.
LEAST_SURE_SUCCESS = 0.5
# A label reached from half of the images by what its own class shows in the mask, or from so many where that is
# exaggerated, has a natural feature there. On the tuning networks of bench/audit_badnets.py patches' targets had up to
# 0.13 by patches, patterns' up to 0.05 by patterns; a class that yellow patches made easy to reach, 0.45 to 0.74.
MOST_OWN_CONTENT, MOST_EXAGGERATED = 0.5, 0.4
# With fewer sizes than this, or with more than half of them unknown, there is nothing to compare with.
LEAST_REFERENCE = 8


@dataclass(frozen=True)
class Suspicion:
    """What is known of one label in one family of triggers.

    Attributes:
        family: "patch" or "blend".
        trigger: its smallest trigger.
        size: pixels, the geometric mean of what the inversions ended with; None where one never worked (censored).
        anomaly_index: how far below ordinary its size lies; None where that is not known.
        confirmation: what the trigger does to images it was not fitted to.
    """

    family: str
    trigger: InvertedTrigger
    size: float | None
    anomaly_index: float | None
    confirmation: Confirmation


@dataclass(frozen=True)
class Ordinary:
    """What is ordinary among the labels of one family.

    Attributes:
        family: "patch" or "blend".
        reference: how many labels stand for ordinary ones.
        censored: how many of them never reached the success rate; their triggers count as the largest found.
        median_size: pixels; None where no trigger worked.
        alarm_index: the index from which on a label is called a target.
        doubt_index: the index from which on there is doubt.
    """

    family: str
    reference: int
    censored: int
    median_size: float | None
    alarm_index: float
    doubt_index: float

    @property
    def compares(self) -> bool:
        """Whether enough sizes are known to compare with."""
        worked = self.reference - self.censored
        return worked >= LEAST_REFERENCE and worked >= self.reference / 2


@dataclass(frozen=True)
class Verdict:
    """A verdict, the sentence that says why, and the labels found to be targets."""

    name: str
    reason: str
    targets: tuple[int, ...] = ()


def judge(suspicions: Sequence[Suspicion], families: Sequence[Ordinary]) -> Verdict:
    """Comes to a verdict.

    Args:
        suspicions: of all families, the most suspicious first.
        families: what is ordinary in each.
    """
    of_family = {family.family: family for family in families}
    outliers = [one for one in suspicions if _index(one) > of_family[one.family].doubt_index]
    comparable = [one for one in outliers if of_family[one.family].compares]
    doubts = {id(one): _doubt(one, of_family[one.family]) for one in comparable}
    certain = [one for one in comparable if doubts[id(one)] is None]
    if certain:
        targets = tuple(dict.fromkeys(one.trigger.label for one in certain))
        kinds = " and ".join(dict.fromkeys(one.family for one in certain))
        named = ", ".join(map(str, targets))
        return Verdict(BACKDOOR, f"an unusually small {kinds} leads held-out images to label {named}", targets)
    for family in families:
        if not family.compares:
            return Verdict(INCONCLUSIVE, _incomparable(suspicions, family))
    if not comparable:
        return Verdict(CLEAN, "no label's trigger is unusually small, neither patch nor blend")
    first = comparable[0]
    return Verdict(
        INCONCLUSIVE, f"label {first.trigger.label} has an unusually small {first.family}, but {doubts[id(first)]}"
    )


def _incomparable(suspicions: Sequence[Suspicion], family: Ordinary) -> str:
    """Why sizes were not compared, and what was looked at instead."""
    if family.reference >= LEAST_REFERENCE:
        return (
            f"only {family.reference - family.censored} of {family.reference} labels to compare with have a"
            f" {family.family} that works; at least {LEAST_REFERENCE} and half of them are needed"
        )
    found = [one for one in suspicions if one.size is not None]
    seen = "; ".join(
        f"a {one.family} of {one.size:.1f} pixels leads {one.confirmation.held_out.count} of"
        f" {one.confirmation.held_out.total} held-out images to label {one.trigger.label}"
        for one in sorted(found, key=lambda one: (one.family, one.size))
    )
    return (
        f"{family.reference} labels are too few to say which trigger is unusually small, at least {LEAST_REFERENCE} are"
        f" needed; looked at instead: {seen or 'no trigger works'}"
    )


def _index(suspicion: Suspicion) -> float:
    return float("-inf") if suspicion.anomaly_index is None else suspicion.anomaly_index


def _doubt(one: Suspicion, ordinary: Ordinary) -> str | None:
    """Why an outlier is not called a target; None if it is."""
    held_out = one.confirmation.held_out
    if _index(one) <= ordinary.alarm_index:
        return f"its index of {_index(one):.1f} is not above {ordinary.alarm_index:.1f}"
    if held_out.total and held_out.value < LEAST_SUCCESS:
        return f"it works on {held_out.count} of {held_out.total} held-out images"
    if least_share(held_out) < LEAST_SURE_SUCCESS:
        return f"{held_out.total} held-out images are too few to confirm it"
    for own, most, manner in (
        (one.confirmation.own_content, MOST_OWN_CONTENT, ""),
        (one.confirmation.exaggerated, MOST_EXAGGERATED, ", exaggerated,"),
    ):
        if own.total and own.value >= most:
            return f"what its own images show there{manner} leads to it too: a natural feature"
    return None
