"""The figures of one repair, read off the files that it leaves."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# As `pipeline.measuring` writes them.
_BEFORE, _AFTER, _DETECTOR = "badnet", "repaired", "detector"

COLUMNS = (
    "clean_images",
    "targets",
    "strength",
    "acc_before",
    "acc_after",
    "asr_before",
    "asr_after",
    "asr_after_worst",
    "ra_before",
    "ra_after",
    "ra_after_worst",
    "der",
    "der_worst",
    "detector_acc",
    "detector_asr",
    "tpr",
    "tpr_worst",
    "fpr",
    "auroc",
    "auroc_worst",
    "worst_class",
    "worst_class_before",
    "worst_class_after",
    "worst_class_lost",
    "versions",
)


def repair_figures(folder: str) -> dict[str, Any]:
    """One value for each of COLUMNS.

    Over several triggers a figure is the mean, and `_worst` what the worst of them gives. The attack's strength is that
    of its weakest trigger. Rates are 0..1; what does not apply is None (the attack's figures of a clean suspect).

    Args:
        folder: of a finished repair.
    """
    with open(os.path.join(folder, "metrics.json")) as file:
        metrics = json.load(file)
    with open(os.path.join(folder, "manifest.json")) as file:
        manifest = json.load(file)
    clean = _stages(next(one for one in metrics["sets"] if one["name"] == metrics["clean_reference"]))
    poisoned = [one for one in metrics["sets"] if one["kind"] == "poisoned"]
    attacked = [_stages(one) for one in poisoned]
    lost = next(iter(clean[_AFTER]["lost_classes"]), None)

    def over_triggers(stage: str, figure: str, combined: Callable[[list[float]], float]) -> float | None:
        values = [_value(stages[stage][figure]) for stages in attacked]
        known = [value for value in values if value is not None]
        return round(combined(known), 6) if known else None

    row = {
        "clean_images": sum(manifest["findings"]["split"].values()),
        "targets": len(poisoned),
        "strength": None
        if not poisoned
        else "weak"
        if any(one["strength"] == "weak" for one in poisoned)
        else "strong",
        "acc_before": _value(clean[_BEFORE]["accuracy"]),
        "acc_after": _value(clean[_AFTER]["accuracy"]),
        "asr_before": over_triggers(_BEFORE, "attack_success", _mean),
        "asr_after": over_triggers(_AFTER, "attack_success", _mean),
        "asr_after_worst": over_triggers(_AFTER, "attack_success", max),
        "ra_before": over_triggers(_BEFORE, "robust_accuracy", _mean),
        "ra_after": over_triggers(_AFTER, "robust_accuracy", _mean),
        "ra_after_worst": over_triggers(_AFTER, "robust_accuracy", min),
        "der": over_triggers(_AFTER, "der", _mean),
        "der_worst": over_triggers(_AFTER, "der", min),
        "detector_acc": _value(clean[_DETECTOR]["accuracy"]),
        "detector_asr": over_triggers(_DETECTOR, "attack_success", _mean),
        "tpr": over_triggers(_DETECTOR, "flagged", _mean),
        "tpr_worst": over_triggers(_DETECTOR, "flagged", min),
        "fpr": _value(clean[_DETECTOR]["flagged"]),
        "auroc": over_triggers(_DETECTOR, "auroc", _mean),
        "auroc_worst": over_triggers(_DETECTOR, "auroc", min),
        "worst_class": lost and lost["label"],
        "worst_class_before": lost and _counts(lost["before"]),
        "worst_class_after": lost and _counts(lost["after"]),
        "worst_class_lost": round(lost["before"]["value"] - lost["after"]["value"], 6) if lost else 0.0,
        "versions": "; ".join(f"{name} {version}" for name, version in manifest["versions"].items()),
    }
    return {name: row[name] for name in COLUMNS}


def _stages(one: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {stage["stage"]: stage for stage in one["stages"]}


def _value(figure: Any) -> float | None:
    """Of a rate its share; other figures are plain."""
    value = figure["value"] if isinstance(figure, Mapping) else figure
    return None if value is None else round(value, 6)


def _counts(rate: Mapping[str, Any]) -> str:
    return f"{rate['count']}/{rate['total']}"


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)
