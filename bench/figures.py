"""The figures of one repair, read off the files that it leaves."""

import json
import os
import statistics
from collections.abc import Callable, Mapping
from typing import Any

# As `pipeline.measuring` writes them.
_BEFORE, _AFTER, _DETECTOR = "badnet", "repaired", "detector"

COLUMNS = (
    "clean_images",
    "strength",
    "acc_before",
    "acc_after",
    "asr_before",
    "asr_after",
    "asr_after_worst",
    "ra",
    "tpr",
    "tpr_worst",
    "fpr",
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

    def over_triggers(stage: str, figure: str, combined: Callable[[list[float]], float]) -> float | None:
        values = [_value(stages[stage][figure]) for stages in attacked]
        known = [value for value in values if value is not None]
        return round(combined(known), 6) if known else None

    strengths = {one["strength"] for one in poisoned}
    return {
        "clean_images": sum(manifest["findings"]["split"].values()),
        "strength": None if not strengths else "weak" if "weak" in strengths else "strong",
        "acc_before": _value(clean[_BEFORE]["accuracy"]),
        "acc_after": _value(clean[_AFTER]["accuracy"]),
        "asr_before": over_triggers(_BEFORE, "attack_success", statistics.fmean),
        "asr_after": over_triggers(_AFTER, "attack_success", statistics.fmean),
        "asr_after_worst": over_triggers(_AFTER, "attack_success", max),
        "ra": over_triggers(_AFTER, "robust_accuracy", statistics.fmean),
        "tpr": over_triggers(_DETECTOR, "flagged", statistics.fmean),
        "tpr_worst": over_triggers(_DETECTOR, "flagged", min),
        "fpr": _value(clean[_DETECTOR]["flagged"]),
    }


def _stages(one: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {stage["stage"]: stage for stage in one["stages"]}


def _value(rate: Mapping[str, Any]) -> float | None:
    """The share, 0..1; None where there was no image."""
    return None if rate["value"] is None else round(rate["value"], 6)
