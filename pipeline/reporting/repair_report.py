"""What the report of a repair shows, gathered from its steps."""

import datetime
import os
from collections.abc import Mapping, Sequence
from typing import Any

from goodnet.data.splits import CleanSplit
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.measuring.artefact_figures import ArtefactFigures
from goodnet.pipeline.measuring.comparison import Answered
from goodnet.pipeline.measuring.predictions import DETECTOR, REPAIRED
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.measuring.structure import compare_structure
from goodnet.pipeline.methods.repair_method import Repair
from goodnet.pipeline.reporting.contents import DeviceCheck, FileFacts, ReportContents, SplitUse
from goodnet.pipeline.reporting.evidence import trigger_examples
from goodnet.pipeline.reporting.examples import Example, misclassified_clean, successful_attacks
from goodnet.pipeline.reporting.plots import SuspicionSample
from goodnet.pipeline.suspect import Suspect

_PICTURES_PER_SET = 12


def report_contents(
    suspect: Suspect,
    split: CleanSplit,
    outcome: Repair,
    method: str,
    out_dir: str,
    calibration: Calibration,
    figures: ArtefactFigures,
    manifest: Mapping[str, Any],
) -> ReportContents:
    """Gathers what the report shows.

    Args:
        suspect: the BadNet.
        split: the clean data.
        outcome: the repair.
        method: its name.
        out_dir: where its files are.
        calibration: the detector's threshold.
        figures: what was measured.
        manifest: versions, settings, digests.
    """
    return ReportContents(
        model=suspect.path,
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        method=method,
        evaluation=figures.evaluation,
        class_names=split.fit.class_names,
        attacks=_attacks(figures.answered),
        mistakes=_mistakes(figures.answered),
        mistakes_of=REPAIRED,
        steps=_steps(outcome),
        evidence=outcome.evidence,
        unchanged=outcome.unchanged,
        triggers=trigger_examples(outcome.evidence, split.fit) if outcome.evidence else (),
        pruning=outcome.pruning,
        history=outcome.history,
        structure=compare_structure(suspect.model, outcome.repaired),
        scale=suspect.scale,
        splits=_splits(split),
        calibration=calibration,
        suspicions=_suspicions(calibration, figures.answered),
        device=_device(figures, manifest["findings"]),
        files=_files(out_dir, manifest),
        provenance=_provenance(manifest),
    )


def _steps(outcome: Repair) -> tuple[str, ...]:
    if not outcome.triggers:
        return ()
    labels = ", ".join(str(label) for label in sorted({trigger.label for trigger in outcome.triggers}))
    return (f"Unlearned: {len(outcome.triggers)} inverted triggers that led to label {labels}.",)


def _attacks(answered: Sequence[Answered]) -> tuple[Example, ...]:
    return tuple(
        example
        for one in answered
        if one.measured.poisoned
        for example in successful_attacks(
            one.images, one.measured.predictions, _PICTURES_PER_SET, name=one.measured.name
        )
    )


def _mistakes(answered: Sequence[Answered]) -> tuple[Example, ...]:
    return tuple(
        example
        for one in answered
        if not one.measured.poisoned
        for example in misclassified_clean(
            one.images, one.measured.predictions, _PICTURES_PER_SET, REPAIRED, name=one.measured.name
        )
    )


def _splits(split: CleanSplit) -> tuple[SplitUse, ...]:
    return (
        SplitUse(
            "fit",
            len(split.fit),
            "pixel scale, inversion of triggers, activation profile, pruning curve, tuning, quantised detector",
        ),
        SplitUse("calibrate", len(split.calibrate), "the detector's threshold, and nothing else"),
        SplitUse("report", len(split.report), "figures only"),
    )


def _suspicions(calibration: Calibration, answered: Sequence[Answered]) -> tuple[SuspicionSample, ...]:
    measured = [
        SuspicionSample(one.measured.name, one.measured.poisoned, answers.suspicion)
        for one in answered
        for answers in one.measured.predictions
        if answers.stage == DETECTOR and answers.suspicion is not None
    ]
    calibrated = SuspicionSample("calibrate split", False, calibration.suspicions, sets_threshold=True)
    return (calibrated, *measured)


def _device(figures: ArtefactFigures, findings: Mapping[str, Any]) -> DeviceCheck:
    clean, stamped = figures.parity, figures.parity_stamped
    return DeviceCheck(
        findings["precision"],
        clean.runtime,
        Rate(clean.same_label, clean.images),
        clean.max_difference,
        Rate(stamped.same_label, stamped.images),
        Rate(stamped.same_flagged or 0, stamped.flagged or 0),
        tuple(findings["precisions_passed_over"]),
    )


def _files(out_dir: str, manifest: Mapping[str, Any]) -> tuple[FileFacts, ...]:
    return tuple(
        FileFacts(name, os.path.getsize(os.path.join(out_dir, name)), digest)
        for name, digest in manifest["outputs"].items()
    )


def _provenance(manifest: Mapping[str, Any]) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    settings = {**manifest["settings"], "seed": manifest["seed"], "devices": ", ".join(manifest["devices"])}
    return (
        ("Settings", _pairs(settings)),
        ("Versions", _pairs(manifest["versions"])),
        ("SHA-256 of the inputs", _pairs(manifest["inputs"])),
        ("SHA-256 of the sets that were only measured on", _pairs(manifest["measured_on"])),
    )


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in values.items())
