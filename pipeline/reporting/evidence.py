"""What speaks for a backdoor: for programs (JSON), for a terminal, and as a section of a report."""

import math
import textwrap
from dataclasses import fields
from typing import Any

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.verdict import (
    DOUBTS,
    FALSE_ALARMS,
    LEAST_REFERENCE,
    LEAST_SUCCESS,
    LEAST_SURE_SUCCESS,
    VISIBLE,
    LabelEvidence,
    chance_index,
)
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.reporting.markup import Html, element, facts, section, table
from goodnet.pipeline.reporting.pictures import data_uri, stamped, thumbnail
from goodnet.pipeline.reporting.run_record import RunRecord, TriggerExample

_WIDTH = 100

LEFT_AS_IT_IS = (
    "The model was left as it is: the repaired network is the model itself. The detector has nothing to compare, so it "
    "flags nothing but images whose local statistics are unlike those of the clean ones; with --novelty=false it flags "
    "nothing at all. --without_evidence repairs the model all the same."
)


def evidence_as_json(evidence: Evidence) -> dict[str, Any]:
    """Plain JSON types, the same in `audit.json` and in a repair's manifest.

    Args:
        evidence: what was found. What is infinite, a size that was never reached, is null.
    """
    verdict = evidence.verdict
    return {
        "verdict": verdict.name,
        "reason": verdict.reason,
        "targets": list(verdict.targets),
        "doubtful": list(verdict.doubtful),
        "rule": {
            "index": "(size_index + alignment_index) / sqrt(2)",
            "size_index": "(median of log size - log size) / robust standard deviation, of the reference labels",
            "alignment_index": "the same of artanh(alignment); 0 where the alignment is unknown",
            "alarm_index": chance_index(evidence.labels, FALSE_ALARMS),
            "doubt_index": chance_index(evidence.labels, DOUBTS),
            "least_success_held_out": LEAST_SUCCESS,
            "least_success_held_out_surely": LEAST_SURE_SUCCESS,
            "least_reference": LEAST_REFERENCE,
            # Where exp(sqrt(2) * doubt_index * ordinary_spread) exceeds it, nothing would stand out: inconclusive.
            "visible_ratio": VISIBLE,
        },
        **_values(evidence, "verdict", "suspicions"),
        "suspicions": [_suspicion(one) for one in evidence.suspicions],
    }


def _suspicion(one: LabelEvidence) -> dict[str, Any]:
    trigger = one.trigger
    return {
        "label": trigger.label,
        "size": _plain(trigger.size),
        "sparse": trigger.sparse,
        "success_fitted": trigger.success,
        **_values(one, "trigger"),
    }


def _values(one: Evidence | LabelEvidence, *without: str) -> dict[str, Any]:
    return {field.name: _plain(getattr(one, field.name)) for field in fields(one) if field.name not in without}


def _plain(value: Any) -> Any:
    """JSON has no word for infinity."""
    if isinstance(value, Rate):
        return value.as_json()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summary(evidence: Evidence) -> str:
    """Lines for a terminal: the verdict, why, and the most suspicious labels."""
    lines = [f"{evidence.verdict.name}: {evidence.verdict.reason}", ""]
    lines.append(f"{'label':>6}  {'size':>9}  {'alignment':>9}  {'index':>6}  works on held-out images")
    lines += [
        f"{one.trigger.label:>6}  {one.trigger.size:>6.1f} px  {_alignment(one):>9}  {_index(one):>6}  {_works_on(one)}"
        for one in evidence.suspicions
    ]
    return "\n".join([*lines, "", *textwrap.wrap(f"{_ordinary(evidence)} {_rule(evidence)}", _WIDTH)])


def evidence_section(record: RunRecord) -> Html:
    """The verdict and why, the most suspicious labels, and their triggers: on plain grey and on a clean image."""
    parts: list[object] = []
    if record.evidence is not None:
        parts += _found(record, record.evidence)
    if record.triggers:
        parts.append(element("div", *(_figure(record, one) for one in record.triggers), css="pictures"))
    return section("evidence", "Evidence of a backdoor", *parts) if parts else Html("")


def trigger_examples(evidence: Evidence, clean: ImageSet) -> tuple[TriggerExample, ...]:
    """The most suspicious labels' triggers, each with a clean image to show it on.

    Args:
        evidence: what was found.
        clean: clean images.
    """
    shown = []
    for suspicion in evidence.suspicions:
        # The first image of another class; in a set without one, the first.
        place = int(np.argmax(clean.labels != suspicion.trigger.label))
        shown.append(TriggerExample(suspicion.trigger, clean.images(np.array([place]))[0]))
    return tuple(shown)


def _found(record: RunRecord, evidence: Evidence) -> list[object]:
    explained = (
        "For every class GoodNet searched for the smallest change of the pixels that makes the model answer with it. "
        "The change is the same for every image. A class is the target of a backdoor if it takes a far smaller change "
        "than the others, and if the change makes the model see features that the images of the class do not have. A "
        "trigger found this way works like the attacker's, but need not look like it."
    )
    rows = [
        (record.class_name(one.trigger.label), f"{one.trigger.size:.1f}", _alignment(one), _index(one), _works_on(one))
        for one in evidence.suspicions
    ]
    header = ("class", "size (pixels)", "alignment", "index", "works on held-out images")
    return [
        element("p", element("b", evidence.verdict.name), f": {evidence.verdict.reason}."),
        element("p", explained),
        table(header, rows, "The most suspicious classes", numeric=(1, 2, 3, 4)) if rows else Html(""),
        element("p", f"{_ordinary(evidence)} {_rule(evidence)}", css="soft"),
    ]


def _index(one: LabelEvidence) -> str:
    return "never" if one.index is None else f"{one.index:.1f}"


def _alignment(one: LabelEvidence) -> str:
    return "unknown" if one.alignment is None else f"{one.alignment:.2f}"


def _works_on(one: LabelEvidence) -> str:
    return f"{one.held_out.count} of {one.held_out.total}" if one.held_out.total else "no image"


def _ordinary(evidence: Evidence) -> str:
    """Says what the labels are compared with."""
    size = evidence.ordinary_size
    ordinary = f"whose median size is {size:.1f} pixels" if math.isfinite(size) else "most of which no trigger reaches"
    held_out = (
        f"{evidence.held_out_images} others" if evidence.held_out_images else "the same ones, too few to hold some out"
    )
    aligned = evidence.ordinary_alignment
    alignment = f" Their median alignment is {aligned:.2f}." if math.isfinite(aligned) else ""
    return (
        f"Triggers of {evidence.inverted} of {evidence.labels} labels were fitted to {evidence.fitted_images} clean "
        f"images and tried on {held_out}. Each is compared with {evidence.reference} reference labels, "
        f"{ordinary}; {evidence.never} of these were never reached.{alignment}"
    )


def _rule(evidence: Evidence) -> str:
    return (
        "Alignment is the cosine between the way that a trigger moves the model's features and the way to the class's "
        "own images. The index counts by how many standard deviations size and alignment together lie below ordinary "
        f"ones. A target has an index above {chance_index(evidence.labels, FALSE_ALARMS):.1f}; above "
        f"{chance_index(evidence.labels, DOUBTS):.1f} a label is in doubt."
    )


def _figure(record: RunRecord, example: TriggerExample) -> Html:
    trigger = example.trigger
    pairs = [
        ("class", record.class_name(trigger.label)),
        ("trigger", trigger.described),
        ("probability of the class", f"{100 * trigger.success:.0f} %, geometric mean over the images it was sought on"),
    ]
    pictures = (_picture(example, None), _picture(example, example.image))
    return element("figure", *pictures, element("figcaption", facts(pairs)), css="picture pair")


def _picture(example: TriggerExample, image: np.ndarray | None) -> Html:
    where = "on plain grey" if image is None else "on a clean image"
    png = thumbnail(stamped(example.trigger, image))
    return Html(f'<img src="{data_uri(png)}" alt="trigger for class {example.trigger.label} {where}">')
