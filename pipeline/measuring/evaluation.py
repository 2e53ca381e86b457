"""The figures of one or more networks on clean and poisoned sets, and their form in `metrics.json`.

The rule of names: "attack success" is measured only where a set says that it is poisoned (it knows true labels) or the
user says so; everywhere else it is accuracy on the given labels.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.pipeline.measuring import metrics
from goodnet.pipeline.measuring.metrics import ClassLoss, ClassShare
from goodnet.pipeline.measuring.predictions import BADNET, StagePredictions
from goodnet.pipeline.measuring.rates import Rate

SCHEMA_VERSION = 1

CLEAN = "clean"
POISONED = "poisoned"
POISONED_UNKNOWN = "poisoned without true labels"

STRONG, WEAK, UNKNOWN = "strong", "weak", "unknown"

_WORST_CLASSES = 10


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """A set and what every network answered on it.

    Attributes:
        name: short, for tables.
        path: its file; None for a set that was made or split off.
        labels: int64 [n], the given labels; in a poisoned set the target.
        true_labels: int64 [n] of a poisoned set, if known.
        poisoned: whether the set, or the user, says that it is poisoned.
        predictions: one for each network, in the order in which the networks came to be.

    Raises:
        ValueError: a network did not answer every image, or two have the same name.
    """

    name: str
    path: str | None
    labels: np.ndarray
    true_labels: np.ndarray | None
    poisoned: bool
    predictions: tuple[StagePredictions, ...]

    def __post_init__(self):
        stages = [answers.stage for answers in self.predictions]
        if len(set(stages)) != len(stages):
            raise ValueError(f"{self.name}: stages {stages}; expected different names")
        for answers in self.predictions:
            if len(answers.labels) != len(self.labels):
                raise ValueError(
                    f"{self.name}: {len(answers.labels)} answers of {answers.stage}, expected {len(self.labels)}"
                )


def measured_set(
    image_set: ImageSet,
    predictions: Iterable[StagePredictions],
    name: str | None = None,
    path: str | None = None,
    given_as_poisoned: bool = False,
) -> MeasuredSet:
    """What was answered on an image set.

    Args:
        image_set: the set.
        predictions: one for each network.
        name: short, for tables; the set's own name when None.
        path: its file, if it has one.
        given_as_poisoned: the user says that it is poisoned, also when it knows no true labels.
    """
    poisoned = image_set.is_poisoned or given_as_poisoned
    return MeasuredSet(
        name or image_set.name, path, image_set.labels, image_set.true_labels, poisoned, tuple(predictions)
    )


@dataclass(frozen=True)
class StageFigures:
    """One network on one set. What does not apply is None.

    Attributes:
        stage: which network.
        accuracy: clean sets: accuracy on the given labels; "backdoor" counts as wrong.
        attack_success: poisoned sets: ASR; over all images where the true labels are unknown.
        robust_accuracy: poisoned sets with true labels: RA.
        flagged: detectors: the false positive rate on a clean set, the true positive rate on a poisoned one.
        safe: detectors on poisoned sets with true labels: flagged or answered rightly.
        caught: detectors on poisoned sets where the BadNet was measured too: flagged, of the inputs that fool it.
        overlooked: the same detectors: not flagged, though they answer another class than the BadNet.
        auroc: detectors on poisoned sets: suspicion against that of the clean reference, 0..1.
        der: poisoned sets: defense effectiveness against the BadNet, 0..1.
        worst_classes: clean sets: most misclassified; poisoned sets with true labels: most attacked.
        lost_classes: clean sets where the BadNet was measured too: the classes that lost most accuracy against it.
    """

    stage: str
    accuracy: Rate | None = None
    attack_success: Rate | None = None
    robust_accuracy: Rate | None = None
    flagged: Rate | None = None
    safe: Rate | None = None
    caught: Rate | None = None
    overlooked: Rate | None = None
    auroc: float | None = None
    der: float | None = None
    worst_classes: tuple[ClassShare, ...] = ()
    lost_classes: tuple[ClassLoss, ...] = ()


@dataclass(frozen=True)
class SetFigures:
    """All networks on one set.

    Attributes:
        name: short, for tables.
        path: its file, if it has one.
        kind: "clean", "poisoned" or "poisoned without true labels".
        images: how many it holds.
        counted: how many the attack's figures are over: those whose true class is not the target.
        targets: the attack's target labels, ascending; empty for a clean set.
        strength: poisoned sets: "strong", "weak" (below 90 % before any defense) or "unknown" (no BadNet was measured).
        stages: one for each network.
    """

    name: str
    path: str | None
    kind: str
    images: int
    counted: int
    targets: tuple[int, ...]
    strength: str | None
    stages: tuple[StageFigures, ...]

    def stage(self, name: str) -> StageFigures | None:
        """The figures of one network; None if it was not measured."""
        return next((figures for figures in self.stages if figures.stage == name), None)


@dataclass(frozen=True)
class AttackSummary:
    """One network over all poisoned sets of one strength; means weigh every set alike.

    Attributes:
        stage: which network.
        strength: "strong", "weak" or "unknown".
        sets: how many.
        mean_attack_success: 0..1.
        worst_attack_success: the highest, 0..1.
        mean_robust_accuracy: 0..1, over the sets that have one; None if none has.
        mean_der: 0..1; None for the BadNet itself or without it.
        worst_der: the lowest, 0..1.
    """

    stage: str
    strength: str
    sets: int
    mean_attack_success: float
    worst_attack_success: float
    mean_robust_accuracy: float | None
    mean_der: float | None
    worst_der: float | None


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured.

    Attributes:
        sets: in the order given.
        reference: name of the clean set that DER takes its accuracy from, and AUROC its clean suspicions.
        summaries: strong attacks first, then weak ones, each network in turn.
    """

    sets: tuple[SetFigures, ...]
    reference: str | None
    summaries: tuple[AttackSummary, ...]

    @property
    def clean_sets(self) -> tuple[SetFigures, ...]:
        """The clean ones among the sets."""
        return tuple(figures for figures in self.sets if figures.kind == CLEAN)

    @property
    def poisoned_sets(self) -> tuple[SetFigures, ...]:
        """The poisoned ones among the sets."""
        return tuple(figures for figures in self.sets if figures.kind != CLEAN)

    @property
    def reference_set(self) -> SetFigures | None:
        """The figures of the clean reference."""
        return next((figures for figures in self.clean_sets if figures.name == self.reference), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; a figure that does not exist is null, never NaN."""
        return {
            "schema_version": SCHEMA_VERSION,
            "clean_reference": self.reference,
            "sets": _plain(self.sets),
            "summaries": _plain(self.summaries),
        }


def evaluate_sets(sets: Sequence[MeasuredSet], reference: str | None = None) -> Evaluation:
    """Works out all figures.

    Args:
        sets: clean and poisoned ones, with different names.
        reference: name of the clean set that DER and AUROC are worked out against; the largest clean one when None.

    Raises:
        InputError: two sets have the same name.
        ValueError: the reference is not a clean set among them.
    """
    names = [measured.name for measured in sets]
    if len(set(names)) != len(names):
        raise InputError(f"sets {', '.join(names)}: the same name twice; expected each set once")
    clean = [measured for measured in sets if not measured.poisoned]
    if reference is None:
        chosen = max(clean, key=lambda measured: len(measured.labels), default=None)
    else:
        chosen = next((measured for measured in clean if measured.name == reference), None)
        if chosen is None:
            raise ValueError(f"{reference}: expected one of the clean sets {[measured.name for measured in clean]}")
    figures = tuple(
        _poisoned_figures(measured, chosen) if measured.poisoned else _clean_figures(measured) for measured in sets
    )
    return Evaluation(figures, chosen.name if chosen else None, _summaries(figures))


def _clean_figures(measured: MeasuredSet) -> SetFigures:
    labels, before = measured.labels, _answers(measured, BADNET)
    stages = tuple(
        StageFigures(
            answers.stage,
            accuracy=metrics.clean_accuracy(labels, answers.labels),
            flagged=_flagged(answers, None),
            worst_classes=metrics.most_misclassified(labels, answers.labels, _WORST_CLASSES),
            lost_classes=metrics.most_lost(labels, before.labels, answers.labels, _WORST_CLASSES) if before else (),
        )
        for answers in measured.predictions
    )
    return SetFigures(measured.name, measured.path, CLEAN, len(labels), len(labels), (), None, stages)


def _poisoned_figures(measured: MeasuredSet, reference: MeasuredSet | None) -> SetFigures:
    targets, true_labels = measured.labels, measured.true_labels
    counted = metrics.attackable(targets, true_labels)
    before = _answers(measured, BADNET)
    success_before = None if before is None else metrics.attack_success(targets, true_labels, before.labels)
    stages = tuple(
        _poisoned_stage(measured, answers, counted, reference, success_before) for answers in measured.predictions
    )
    return SetFigures(
        measured.name,
        measured.path,
        POISONED_UNKNOWN if true_labels is None else POISONED,
        len(targets),
        int(counted.sum()),
        tuple(map(int, np.unique(targets))),
        _strength(success_before),
        stages,
    )


def _poisoned_stage(
    measured: MeasuredSet,
    answers: StagePredictions,
    counted: np.ndarray,
    reference: MeasuredSet | None,
    success_before: Rate | None,
) -> StageFigures:
    targets, true_labels, labels = measured.labels, measured.true_labels, answers.labels
    success = metrics.attack_success(targets, true_labels, labels)
    figures = StageFigures(
        answers.stage,
        attack_success=success,
        flagged=_flagged(answers, counted),
        caught=_caught(measured, answers, counted),
        overlooked=_overlooked(measured, answers, counted),
        auroc=_auroc(answers, counted, reference),
        der=_der(answers.stage, success_before, success, reference),
    )
    if true_labels is None:
        return figures
    return dataclasses.replace(
        figures,
        robust_accuracy=metrics.robust_accuracy(targets, true_labels, labels),
        safe=None
        if answers.backdoor_label is None
        else metrics.safe(targets, true_labels, labels, answers.backdoor_label),
        worst_classes=metrics.most_attacked(targets, true_labels, labels, _WORST_CLASSES),
    )


def _flagged(answers: StagePredictions, counted: np.ndarray | None) -> Rate | None:
    if answers.backdoor_label is None:
        return None
    return metrics.flagged(answers.labels, answers.backdoor_label, counted)


def _caught(measured: MeasuredSet, answers: StagePredictions, counted: np.ndarray) -> Rate | None:
    before = _answers(measured, BADNET)
    if answers.backdoor_label is None or before is None:
        return None
    return metrics.flagged(answers.labels, answers.backdoor_label, counted & (before.labels == measured.labels))


def _overlooked(measured: MeasuredSet, answers: StagePredictions, counted: np.ndarray) -> Rate | None:
    before = _answers(measured, BADNET)
    if answers.backdoor_label is None or before is None:
        return None
    differs = (answers.labels != before.labels) & (answers.labels != answers.backdoor_label)
    return Rate(int((differs & counted).sum()), int(counted.sum()))


def _auroc(answers: StagePredictions, counted: np.ndarray, reference: MeasuredSet | None) -> float | None:
    clean = None if reference is None else _answers(reference, answers.stage)
    if answers.suspicion is None or clean is None or clean.suspicion is None:
        return None
    return _number(metrics.auroc(clean.suspicion, answers.suspicion[counted]))


def _der(stage: str, success_before: Rate | None, success_after: Rate, reference: MeasuredSet | None) -> float | None:
    if reference is None or success_before is None or stage == BADNET:
        return None
    before, after = _answers(reference, BADNET), _answers(reference, stage)
    if before is None or after is None:
        return None
    return _number(
        metrics.defense_effectiveness(
            success_before.value,
            success_after.value,
            metrics.clean_accuracy(reference.labels, before.labels).value,
            metrics.clean_accuracy(reference.labels, after.labels).value,
        )
    )


def _answers(measured: MeasuredSet, stage: str) -> StagePredictions | None:
    return next((answers for answers in measured.predictions if answers.stage == stage), None)


def _strength(success_before: Rate | None) -> str:
    if success_before is None or not success_before.total:
        return UNKNOWN
    return WEAK if metrics.is_weak(success_before) else STRONG


def _summaries(sets: Sequence[SetFigures]) -> tuple[AttackSummary, ...]:
    summaries = []
    for strength in (STRONG, WEAK, UNKNOWN):
        alike = [figures for figures in sets if figures.strength == strength and figures.counted]
        stages = dict.fromkeys(stage.stage for figures in alike for stage in figures.stages)
        for stage in stages:
            measured = [found for figures in alike if (found := figures.stage(stage)) is not None]
            summaries.append(_summary(stage, strength, measured))
    return tuple(summaries)


def _summary(stage: str, strength: str, measured: Sequence[StageFigures]) -> AttackSummary:
    success = [figures.attack_success.value for figures in measured if figures.attack_success is not None]
    robust = [figures.robust_accuracy.value for figures in measured if figures.robust_accuracy is not None]
    der = [figures.der for figures in measured if figures.der is not None]
    return AttackSummary(
        stage,
        strength,
        len(measured),
        mean_attack_success=float(np.mean(success)),
        worst_attack_success=max(success),
        mean_robust_accuracy=float(np.mean(robust)) if robust else None,
        mean_der=float(np.mean(der)) if der else None,
        worst_der=min(der) if der else None,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Rate):
        return value.as_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
