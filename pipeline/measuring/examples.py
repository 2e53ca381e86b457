"""Which pictures the report shows: attacks that worked, and clean images that were got wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.pipeline.measuring.metrics import attackable
from goodnet.pipeline.measuring.predictions import BADNET, StagePredictions


@dataclass(frozen=True, eq=False)
class Example:
    """One picture and every network's answer to it.

    Attributes:
        set_name: where it is from.
        image: uint8 [H, W, C].
        true_label: its class; None if unknown.
        target: the class the attacker wants; None for a clean image.
        answers: for each network, by name, its label.
        backdoor_label: N, by which a detector says "backdoor"; None without a detector.
    """

    set_name: str
    image: np.ndarray
    true_label: int | None
    target: int | None
    answers: tuple[tuple[str, int], ...]
    backdoor_label: int | None


def successful_attacks(
    poisoned: ImageSet,
    predictions: Sequence[StagePredictions],
    count: int,
    stage: str = BADNET,
    name: str | None = None,
) -> tuple[Example, ...]:
    """Poisoned images that a network gives the target for, of as many true classes as possible.

    Args:
        poisoned: the set.
        predictions: every network's answers on it.
        count: the most pictures.
        stage: the network whose fall is shown; no picture where it is not among the predictions.
        name: what to call the set; its own name when None.
    """
    answers = _of_stage(predictions, stage)
    if answers is None:
        return ()
    fell = attackable(poisoned.labels, poisoned.true_labels) & (answers.labels == poisoned.labels)
    classes = poisoned.labels if poisoned.true_labels is None else poisoned.true_labels
    chosen = _spread(np.flatnonzero(fell), classes, count)
    true_labels = None if poisoned.true_labels is None else poisoned.true_labels[chosen]
    return _examples(poisoned, predictions, chosen, true_labels, poisoned.labels[chosen], name)


def misclassified_clean(
    clean: ImageSet, predictions: Sequence[StagePredictions], count: int, stage: str, name: str | None = None
) -> tuple[Example, ...]:
    """Clean images that a network gets wrong, of as many classes as possible.

    Args:
        clean: the set.
        predictions: every network's answers on it.
        count: the most pictures.
        stage: the network whose mistakes are shown; a detector's "backdoor" is one.
        name: what to call the set; its own name when None.
    """
    answers = _of_stage(predictions, stage)
    if answers is None:
        return ()
    chosen = _spread(np.flatnonzero(answers.labels != clean.labels), clean.labels, count)
    return _examples(clean, predictions, chosen, clean.labels[chosen], None, name)


def _of_stage(predictions: Sequence[StagePredictions], stage: str) -> StagePredictions | None:
    return next((answers for answers in predictions if answers.stage == stage), None)


def _spread(indices: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """The first image of every class, then every second one, until there are enough."""
    seen: dict[int, int] = {}
    turns = []
    for label in classes[indices].tolist():
        turns.append(seen.get(label, 0))
        seen[label] = turns[-1] + 1
    return indices[np.argsort(np.array(turns, np.int64), kind="stable")[:count]]


def _examples(
    image_set: ImageSet,
    predictions: Sequence[StagePredictions],
    chosen: np.ndarray,
    true_labels: np.ndarray | None,
    targets: np.ndarray | None,
    name: str | None,
) -> tuple[Example, ...]:
    if not len(chosen):
        return ()
    backdoor_label = next((answers.backdoor_label for answers in predictions if answers.is_detector), None)
    return tuple(
        Example(
            name or image_set.name,
            image,
            None if true_labels is None else int(true_labels[row]),
            None if targets is None else int(targets[row]),
            tuple((answers.stage, int(answers.labels[index])) for answers in predictions),
            backdoor_label,
        )
        for row, (index, image) in enumerate(zip(chosen, image_set.images(chosen), strict=True))
    )
