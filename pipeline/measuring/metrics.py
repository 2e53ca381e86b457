"""The field's metrics, from arrays of labels.

Definitions: BackdoorBench (Wu et al., NeurIPS 2022) for clean accuracy (ACC), attack success rate (ASR) and robust
accuracy (RA); Zhu et al., "Enhancing Fine-Tuning Based Backdoor Defense with Sharpness-Aware Minimization" (ICCV 2023)
for the defense effectiveness rating (DER).
"""

import math
from dataclasses import dataclass

import numpy as np

from goodnet.pipeline.measuring.rates import Rate

# An attack below this before any defense did not work well enough to tell what a defense does to it.
STRONG_ATTACK = 0.9


@dataclass(frozen=True)
class ClassShare:
    """What happened to the images of one class.

    Attributes:
        label: the class.
        rate: the share of its images that the list is about.
        most_common_answer: the wrong answer given most often (the lowest of equals).
    """

    label: int
    rate: Rate
    most_common_answer: int


@dataclass(frozen=True)
class ClassLoss:
    """What a defense cost one class.

    Attributes:
        label: the class.
        before: the share of its clean images that were answered rightly before.
        after: the same after.
    """

    label: int
    before: Rate
    after: Rate

    @property
    def lost(self) -> float:
        """The accuracy lost, 0..1."""
        return self.before.value - self.after.value


def clean_accuracy(labels: np.ndarray, predictions: np.ndarray) -> Rate:
    """ACC: clean images that get their label; a detector's "backdoor" is a wrong answer there.

    Args:
        labels: int [n], the given labels.
        predictions: int [n].
    """
    _check_lengths(labels, predictions)
    return Rate(int(np.count_nonzero(labels == predictions)), len(labels))


def attackable(targets: np.ndarray, true_labels: np.ndarray | None) -> np.ndarray:
    """Which poisoned images can show an attack: those whose true class is not the target.

    Args:
        targets: int [n], what the attacker wants of each image.
        true_labels: int [n], or None if unknown; then it is all images, which overstates an attack a little.

    Returns:
        bool [n].
    """
    if true_labels is None:
        return np.ones(len(targets), bool)
    _check_lengths(targets, true_labels)
    return targets != true_labels


def attack_success(targets: np.ndarray, true_labels: np.ndarray | None, predictions: np.ndarray) -> Rate:
    """ASR: of the attackable images, those that get the target. A detector's "backdoor" is not the target.

    Args:
        targets: int [n], what the attacker wants of each image.
        true_labels: int [n], or None if unknown; then over all images.
        predictions: int [n].
    """
    _check_lengths(targets, predictions)
    counted = attackable(targets, true_labels)
    return Rate(int(np.count_nonzero(counted & (predictions == targets))), int(counted.sum()))


def robust_accuracy(targets: np.ndarray, true_labels: np.ndarray, predictions: np.ndarray) -> Rate:
    """RA: of the attackable images, those that get their true class in spite of the trigger.

    Args:
        targets: int [n], what the attacker wants of each image.
        true_labels: int [n].
        predictions: int [n]; a detector's "backdoor" is not the true class.
    """
    _check_lengths(targets, predictions)
    counted = attackable(targets, true_labels)
    return Rate(int(np.count_nonzero(counted & (predictions == true_labels))), int(counted.sum()))


def flagged(predictions: np.ndarray, backdoor_label: int, counted: np.ndarray | None = None) -> Rate:
    """Images a detector flags: its false positive rate on clean images, its true positive rate on poisoned ones.

    Args:
        predictions: int [n] in 0..N.
        backdoor_label: N.
        counted: bool [n], the images to look at; all when None.
    """
    chosen = predictions if counted is None else predictions[counted]
    return Rate(int(np.count_nonzero(chosen == backdoor_label)), len(chosen))


def safe(targets: np.ndarray, true_labels: np.ndarray, predictions: np.ndarray, backdoor_label: int) -> Rate:
    """Of the attackable images, those that a detector either flags or answers rightly: no harm is done.

    Args:
        targets: int [n], what the attacker wants of each image.
        true_labels: int [n].
        predictions: int [n] in 0..N.
        backdoor_label: N.
    """
    counted = attackable(targets, true_labels)
    harmless = (predictions == backdoor_label) | (predictions == true_labels)
    return Rate(int(np.count_nonzero(counted & harmless)), int(counted.sum()))


def is_weak(success_before: Rate) -> bool:
    """Whether an attack succeeds on fewer than 90 % before any defense, so that it is counted apart."""
    return success_before.value < STRONG_ATTACK


def defense_effectiveness(
    success_before: float, success_after: float, accuracy_before: float, accuracy_after: float
) -> float:
    """DER, 0..1: what a defense takes from the attack, less what it costs in clean accuracy; 0.5 for doing nothing.

    Args:
        success_before: ASR before the defense, 0..1.
        success_after: ASR after it.
        accuracy_before: ACC before the defense, 0..1.
        accuracy_after: ACC after it.

    Returns:
        (max(0, ASR before - after) - max(0, ACC before - after) + 1) / 2; NaN if one of the four is.
    """
    if any(map(math.isnan, (success_before, success_after, accuracy_before, accuracy_after))):
        return math.nan
    gained = max(0.0, success_before - success_after)
    lost = max(0.0, accuracy_before - accuracy_after)
    return (gained - lost + 1) / 2


def auroc(clean: np.ndarray, poisoned: np.ndarray) -> float:
    """The area under the ROC curve: how often a poisoned image is more suspicious than a clean one, ties counting half.

    Computed from ranks (the Mann-Whitney statistic), so that no threshold is chosen.

    Args:
        clean: float [n] suspicions.
        poisoned: float [m] suspicions.

    Returns:
        0..1; NaN where one side is empty.
    """
    if not len(clean) or not len(poisoned):
        return math.nan
    values = np.concatenate([clean, poisoned])
    _, which, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(sizes, dtype=np.float64)
    mean_rank = last_rank - (sizes - 1) / 2
    rank_sum = mean_rank[which[len(clean) :]].sum()
    pairs = len(clean) * len(poisoned)
    return float((rank_sum - len(poisoned) * (len(poisoned) + 1) / 2) / pairs)


def roc_curve(clean: np.ndarray, poisoned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve of "suspicion exceeds a threshold" over all thresholds.

    Args:
        clean: float [n] suspicions, n >= 1.
        poisoned: float [m] suspicions, m >= 1.

    Returns:
        False and true positive rates, each float64 [k] rising from 0 to 1.
    """
    thresholds = np.unique(np.concatenate([clean, poisoned]))[::-1]
    rates = [
        1 - np.searchsorted(np.sort(values), thresholds, side="right") / len(values) for values in (clean, poisoned)
    ]
    return np.append(rates[0], 1.0), np.append(rates[1], 1.0)


def most_misclassified(labels: np.ndarray, predictions: np.ndarray, k: int) -> tuple[ClassShare, ...]:
    """The clean classes with the worst error rates.

    Ordered by the lower end of the rate's 95 % interval: a class with a single image does not come out as the worst of
    all because that one was wrong.

    Args:
        labels: int [n], the given labels.
        predictions: int [n].
        k: the most classes to name; classes without an error are never named.
    """
    _check_lengths(labels, predictions)
    return _worst_classes(labels, predictions, predictions != labels, k)


def most_lost(labels: np.ndarray, before: np.ndarray, after: np.ndarray, k: int) -> tuple[ClassLoss, ...]:
    """The clean classes that a defense cost most accuracy; the largest loss first, of equals the lowest label.

    Args:
        labels: int [n], the given labels.
        before: int [n], predictions before the defense.
        after: int [n], predictions after it.
        k: the most classes to name; classes that lost nothing are never named.
    """
    _check_lengths(labels, before)
    _check_lengths(labels, after)
    losses = [
        ClassLoss(int(label), *(clean_accuracy(labels[chosen], answers[chosen]) for answers in (before, after)))
        for label in np.unique(labels)
        for chosen in [labels == label]
    ]
    return tuple(sorted((loss for loss in losses if loss.lost > 0), key=lambda loss: (-loss.lost, loss.label))[:k])


def most_attacked(
    targets: np.ndarray, true_labels: np.ndarray, predictions: np.ndarray, k: int
) -> tuple[ClassShare, ...]:
    """The true classes whose poisoned images the attack moved to the target most often; ordered as above.

    Args:
        targets: int [n], what the attacker wants of each image.
        true_labels: int [n].
        predictions: int [n].
        k: the most classes to name; classes that were never moved are not named.
    """
    counted = attackable(targets, true_labels)
    moved = predictions == targets
    return _worst_classes(true_labels[counted], predictions[counted], moved[counted], k)


def _worst_classes(labels: np.ndarray, predictions: np.ndarray, happened: np.ndarray, k: int) -> tuple[ClassShare, ...]:
    classes, which, totals = np.unique(labels, return_inverse=True, return_counts=True)
    counts = np.bincount(which[happened], minlength=len(classes))
    rates = [Rate(int(count), int(total)) for count, total in zip(counts, totals, strict=True)]
    affected = np.flatnonzero(counts)
    worst = sorted(affected, key=lambda index: (-rates[index].interval[0], classes[index]))[:k]
    return tuple(
        ClassShare(int(classes[index]), rates[index], _most_common(predictions[happened & (which == index)]))
        for index in worst
    )


def _most_common(answers: np.ndarray) -> int:
    values, counts = np.unique(answers, return_counts=True)
    return int(values[counts.argmax()])


def _check_lengths(first: np.ndarray, second: np.ndarray) -> None:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} labels, {len(second)} predictions or true labels; expected as many")
