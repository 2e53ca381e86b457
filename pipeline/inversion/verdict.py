"""From the evidence on each label to a verdict: backdoor, clean or inconclusive."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.measuring.exact import least_share
from goodnet.pipeline.measuring.rates import Rate

BACKDOOR, CLEAN, INCONCLUSIVE = "backdoor", "clean", "inconclusive"

# Of clean networks, so many are to have a label that is called a target, and so many one that is in doubt. It follows
# from how far out the easiest labels of clean networks lie: docs/audit.md says how that was found, and how often the
# verdict is wrong.
FALSE_ALARMS, DOUBTS = 0.05, 0.25
# Some classes are easy to reach by nature, such as the one yellow sign, so the logarithms of sizes have a heavier tail
# than a normal distribution: Student's t with so many degrees of freedom.
TAIL = 20
# A trigger that works on fewer clean images than this is not the attacker's, ...
LEAST_SUCCESS = 0.8
# ... nor is one of which so few were tried that it may as well fail on half of them (95 %, one-sided): 5 of 5 will do.
LEAST_SURE_SUCCESS = 0.5
# With fewer labels than this there is nothing to compare with, and so many of them may be targets.
LEAST_REFERENCE, MOST_DOUBTFUL = 8, 3
# A target that takes a fifth of the change that ordinary labels take has to stand out, or the audit is blind. The
# targets of bench/zoo take between a half and a twelfth of it.
VISIBLE = 5.0


@dataclass(frozen=True)
class LabelEvidence:
    """What is known of one label.

    Attributes:
        trigger: its smallest trigger.
        index: by how many standard deviations the label is unlike an ordinary one, in size and alignment together; None
            where no trigger worked, as is the next one.
        size_index: by how many robust ones the logarithm of the size lies below an ordinary label's.
        alignment: the cosine, -1..1, between where the trigger moves the features of images and where the label's own
            images lie; None where that is unknown.
        alignment_index: by how many robust ones its Fisher z lies below an ordinary label's; 0 where it is unknown.
        held_out: how many clean images of other classes it leads to the label; it was not fitted to these images.
    """

    trigger: InvertedTrigger
    index: float | None
    size_index: float | None
    alignment: float | None
    alignment_index: float
    held_out: Rate

    def __str__(self) -> str:
        aligned = "" if self.alignment is None else f", alignment {self.alignment:.2f}"
        index = "never reached" if self.index is None else f"index {self.index:.1f}"
        return (
            f"label {self.trigger.label}: {self.trigger.described}{aligned}, works on {self.held_out.count} of "
            f"{self.held_out.total} clean images, {index}"
        )


@dataclass(frozen=True)
class Ordinary:
    """The labels that others are compared with.

    Attributes:
        labels: how many.
        never: how many of these no trigger reached.
        spread: the robust standard deviation of the logarithm of their sizes.
    """

    labels: int
    never: int
    spread: float


@dataclass(frozen=True)
class Verdict:
    """A verdict.

    Attributes:
        name: "backdoor", "clean" or "inconclusive".
        reason: the sentence that says why.
        targets: the labels found to be targets.
        doubtful: labels that may be.
    """

    name: str
    reason: str
    targets: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()


def chance_index(labels: int, share: float) -> float:
    """The index that at least one label exceeds in a share of clean networks (Bonferroni), if `TAIL` is right.

    Args:
        labels: how many the most suspicious were chosen from.
        share: of clean networks, 0..1.
    """
    return float(-stdtrit(TAIL, share / labels))


def judge(suspicions: Sequence[LabelEvidence], labels: int, ordinary: Ordinary) -> Verdict:
    """Decides on the verdict.

    Args:
        suspicions: the most suspicious first.
        labels: how many they were chosen from.
        ordinary: what they were compared with.
    """
    smallest = tuple(one.trigger.label for one in suspicions if one.index is not None)[:MOST_DOUBTFUL]
    incomparable = _incomparable(ordinary)
    if incomparable is not None:
        return Verdict(INCONCLUSIVE, incomparable, doubtful=smallest)
    alarm, doubt_from = chance_index(labels, FALSE_ALARMS), chance_index(labels, DOUBTS)
    outliers = [one for one in suspicions if one.index is not None and one.index > doubt_from]
    doubts = [_doubt(one, alarm) for one in outliers]
    targets = tuple(one.trigger.label for one, doubt in zip(outliers, doubts, strict=True) if doubt is None)
    doubtful = tuple(one.trigger.label for one, doubt in zip(outliers, doubts, strict=True) if doubt is not None)
    if targets:
        named = ", ".join(map(str, targets))
        reason = f"a suspicious change leads clean images of other classes to label {named}"
        return Verdict(BACKDOOR, reason, targets, doubtful)
    if math.exp(math.sqrt(2) * doubt_from * ordinary.spread) > VISIBLE:
        reason = f"ordinary triggers differ so much in size that even one {VISIBLE:g} times smaller would not stand out"
        return Verdict(INCONCLUSIVE, reason, doubtful=smallest)
    if not outliers:
        return Verdict(CLEAN, "no suspicious change leads to any label")
    reason = f"a suspicious change leads to label {doubtful[0]}, but {doubts[0]}"
    return Verdict(INCONCLUSIVE, reason, doubtful=doubtful)


def _incomparable(ordinary: Ordinary) -> str | None:
    """Says why labels cannot be compared; None if they can."""
    if ordinary.labels < LEAST_REFERENCE:
        return (
            f"{ordinary.labels} labels are too few to say which trigger is suspicious, at least {LEAST_REFERENCE} "
            "are needed"
        )
    if ordinary.never > ordinary.labels / 2:
        # A network may hide from the search; that it found nothing is no evidence then.
        return f"no trigger reaches {ordinary.never} of {ordinary.labels} labels, so there is nothing to compare with"
    return None


def _doubt(one: LabelEvidence, alarm: float) -> str | None:
    """Says why an outlier is not a target; None if it is one."""
    held_out = one.held_out
    if one.index is None or one.index <= alarm:
        return f"its index of {one.index:.1f} is not above {alarm:.1f}"
    if held_out.total and held_out.value < LEAST_SUCCESS:
        return f"it works on {held_out.count} of {held_out.total} clean images"
    if least_share(held_out) < LEAST_SURE_SUCCESS:
        return f"{held_out.total} clean images are too few to confirm it"
    return None
