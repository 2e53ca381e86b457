"""Which of many labels get a whole inversion: the promising ones, and some at random that say what is ordinary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ShortlistSettings:
    """How labels are chosen.

    Attributes:
        above: up to this many labels, all are taken.
        promising: share of the labels that are taken for their promise, ...
        least_promising: ... and how many at least.
        reference: how many are drawn at random.
        seed: of the drawing.
    """

    above: int = 64
    promising: float = 0.0125
    least_promising: int = 16
    reference: int = 32
    seed: int = 0


@dataclass(frozen=True)
class Shortlist:
    """Labels to invert triggers of.

    Attributes:
        candidates: those that may be targets.
        reference: those that stand for ordinary ones, in ascending order.
        order: all labels, the most promising first; empty where all are taken.
    """

    candidates: tuple[int, ...]
    reference: tuple[int, ...]
    order: tuple[int, ...] = ()

    @property
    def labels(self) -> tuple[int, ...]:
        """Both, in ascending order."""
        return tuple(sorted({*self.candidates, *self.reference}))


def shortlist(classes: int, order: Callable[[], Sequence[int]], settings: ShortlistSettings) -> Shortlist:
    """Chooses labels.

    Args:
        classes: N.
        order: puts all labels in order, the most promising first; not called where all are taken.
        settings: how.
    """
    everything = tuple(range(classes))
    if classes <= settings.above:
        return Shortlist(everything, everything)
    ordered = tuple(order())
    promising = max(settings.least_promising, round(settings.promising * classes))
    count = min(settings.reference, classes)
    reference = np.random.default_rng([settings.seed, 1]).choice(classes, count, replace=False)
    return Shortlist(ordered[:promising], tuple(sorted(map(int, reference))), ordered)
