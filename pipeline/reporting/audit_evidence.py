"""What an audit found, for programs (JSON), for a terminal, and for the eye (pictures)."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from data.image_set import ImageSet
from pipeline.inversion.audit import Audit
from pipeline.inversion.verdict import (
    DOUBT,
    FALSE_ALARM,
    LEAST_SUCCESS,
    LEAST_SURE_SUCCESS,
    MOST_EXAGGERATED,
    MOST_OWN_CONTENT,
    Ordinary,
    Suspicion,
)
from pipeline.measuring.rates import Rate
from pipeline.reporting.pictures import stamped, thumbnail

SCHEMA_VERSION = 2

# Labels of the screening that are written down.
_SCREENED = 32


def pictures(audit: Audit, clean: ImageSet) -> dict[str, bytes]:
    """PNG files by name: each suspicious trigger on plain grey and on a clean image of another class.

    Args:
        audit: what was found.
        clean: the clean images.
    """
    files = {}
    for one in audit.suspicions:
        trigger = one.trigger
        files[_on_grey(one)] = thumbnail(stamped(trigger))
        others = np.flatnonzero(clean.labels != trigger.label)[:1]
        if len(others):
            files[_on_image(one)] = thumbnail(stamped(trigger, clean.images(others)[0]))
    return files


def as_json(audit: Audit, written: Collection[str]) -> dict[str, Any]:
    """Plain JSON types.

    Args:
        audit: what was found.
        written: the names of the pictures there are; a label that every clean image has is shown on no image.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": audit.verdict.name,
        "reason": audit.verdict.reason,
        "targets": list(audit.verdict.targets),
        "rule": {
            "index": "(mean - log size) / spread, of the reference labels without their smallest fifth",
            "false_alarm": FALSE_ALARM,
            "doubt": DOUBT,
            "least_success_held_out": LEAST_SUCCESS,
            "least_success_held_out_surely": LEAST_SURE_SUCCESS,
            "most_success_of_own_content": MOST_OWN_CONTENT,
            "most_success_of_own_content_exaggerated": MOST_EXAGGERATED,
        },
        "labels": audit.labels,
        "families": {family.family: _family(audit, family) for family in audit.families},
        "fitted_images": audit.fitted_images,
        "held_out_images": audit.held_out_images,
        "suspicions": [_suspicion(audit, one, written) for one in audit.suspicions],
    }


def _family(audit: Audit, ordinary: Ordinary) -> dict[str, Any]:
    return {
        "inverted": audit.inverted[ordinary.family],
        "reference": ordinary.reference,
        "censored": ordinary.censored,
        "median_size": ordinary.median_size,
        "backdoor_above": _finite(ordinary.alarm_index),
        "doubt_above": _finite(ordinary.doubt_index),
        "first_in_screening": list(audit.screened[ordinary.family][:_SCREENED]),
    }


def _suspicion(audit: Audit, one: Suspicion, written: Collection[str]) -> dict[str, Any]:
    order = audit.screened[one.family]
    confirmation = one.confirmation
    return {
        "label": one.trigger.label,
        "family": one.family,
        "size": one.size,
        "mask_sum": one.trigger.size,
        "anomaly_index": one.anomaly_index,
        "rank_in_screening": order.index(one.trigger.label) if order else None,
        "success_fitted": one.trigger.success,
        "success_held_out": confirmation.held_out.as_json(),
        "success_of_own_content": confirmation.own_content.as_json(),
        "success_of_own_content_exaggerated": confirmation.exaggerated.as_json(),
        "change_of_natural": confirmation.change,
        "pictures": [name for name in (_on_grey(one), _on_image(one)) if name in written],
    }


def _finite(index: float) -> float | None:
    """An index that no label can have is infinite, which JSON has no word for."""
    return index if math.isfinite(index) else None


def summary(audit: Audit) -> str:
    """Lines for a terminal: the verdict, why, and the evidence."""
    lines = [f"{audit.verdict.name}: {audit.verdict.reason}", ""]
    lines.append(
        f"{'label':>6}  {'family':<6}  {'size':>9}  {'index':>6}  {'held out':>10}  {'own content':>11}  exaggerated"
    )
    for one in audit.suspicions:
        index = "never" if one.anomaly_index is None else f"{one.anomaly_index:.1f}"
        held_out = one.confirmation.held_out
        lines.append(
            f"{one.trigger.label:>6}  {one.family:<6}  {one.size or np.nan:>6.1f} px  {index:>6}  "
            f"{f'{held_out.count} of {held_out.total}':>10}  "
            f"{_own(one.confirmation.own_content):>11}  {_own(one.confirmation.exaggerated):>11}"
        )
    for family in audit.families:
        if family.median_size is not None:
            lines.append(f"{'':>6}  {family.family:<6}  {family.median_size:>6.1f} px is ordinary")
        if not math.isfinite(family.alarm_index):
            lines.append(f"{'':>6}  {family.family:<6}  of {audit.labels} labels none can be an outlier")
            continue
        lines.append(
            f"{'':>6}  {family.family:<6}  a target has an index above {family.alarm_index:.1f}, doubt begins at "
            f"{family.doubt_index:.1f}; {audit.inverted[family.family]} of {audit.labels} labels inverted to the end"
        )
    return "\n".join(lines)


def _own(rate: Rate) -> str:
    return f"{rate.count} of {rate.total}" if rate.total else "no image"


def _on_grey(one: Suspicion) -> str:
    return f"trigger_{one.trigger.label}_{one.family}.png"


def _on_image(one: Suspicion) -> str:
    return f"trigger_{one.trigger.label}_{one.family}_on_image.png"
