"""Tells whether a network would answer far better with its classes under other numbers."""

from dataclasses import dataclass

import numpy as np

from goodnet.models.significance import SIGNIFICANCE, chance_probability


@dataclass(frozen=True)
class LabelOrder:
    """A renaming of classes under which a network is right more often.

    Attributes:
        right: images that are right under the renaming, which was found on other images.
        right_as_given: of the same images, those that are right with the labels as given.
        images: how many images that is of.
        renamed: (label in the data, class of the network) where these differ.
    """

    right: int
    right_as_given: int
    images: int
    renamed: tuple[tuple[int, int], ...]


def better_label_order(
    answers: np.ndarray,
    labels: np.ndarray,
    classes: int,
    right_as_given: np.ndarray,
    significance: float = SIGNIFICANCE,
) -> LabelOrder | None:
    """Looks for a better order. Classes are assigned to labels on each half of the images, and tried on the other half.

    Args:
        answers: int64 [n], the network's classes.
        labels: int64 [n], the labels in the data; in [0, classes - 1] like the answers.
        classes: N.
        right_as_given: bool [n], the images that are right with the labels as given, perhaps by other answers.
        significance: of the sign test between the images that only the renaming gets right, and those it loses.

    Returns:
        What was found; None where no renaming is significantly better, or where images are wrong more often than right
        under it, too: classes that a weak network mistakes for each other are no other order.
    """
    halves = np.random.default_rng(0).permutation(len(labels)) % 2
    gained = lost = right = 0
    for half in (0, 1):
        assigned = _assignment(answers[halves == half], labels[halves == half], classes)
        other = halves != half
        before, after = right_as_given[other], answers[other] == assigned[labels[other]]
        gained += int(np.sum(after & ~before))
        lost += int(np.sum(before & ~after))
        right += int(np.sum(after))
    if 2 * right <= len(labels) or chance_probability(gained, gained + lost, 0.5) > significance:
        return None
    final = _assignment(answers, labels, classes)
    renamed = tuple((int(label), int(final[label])) for label in np.unique(labels) if final[label] != label)
    return LabelOrder(right, int(np.sum(right_as_given)), len(labels), renamed)


def _assignment(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Which class of the network each label means, int64 [classes], each class once: the most frequent pairs first."""
    pairs, counts = np.unique(labels * classes + answers, return_counts=True)
    own = pairs // classes == pairs % classes
    meaning = np.full(classes, -1)
    taken = np.zeros(classes, bool)
    # Of pairs that are equally frequent, a label's own number goes first.
    for pair in pairs[np.lexsort((~own, -counts))]:
        label, answer = divmod(int(pair), classes)
        if meaning[label] < 0 and not taken[answer]:
            meaning[label], taken[answer] = answer, True
    # What no image speaks for keeps its own number where that is free.
    for label in np.flatnonzero(meaning < 0):
        if not taken[label]:
            meaning[label], taken[label] = label, True
    meaning[meaning < 0] = np.flatnonzero(~taken)
    return meaning
