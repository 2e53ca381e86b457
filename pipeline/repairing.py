"""The main job as a list of its steps: from a BadNet to a repaired model, a detector for the device, and evidence."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import InputError
from data.image_set import ImageSet
from data.opening import open_image_set
from data.splits import CleanSplit, split_clean
from models.classifier import check_fits
from models.detector import build_scorer
from models.input_scale import DEFAULT_SCALES, InputScale
from models.legacy_keras import keras
from pipeline.artefacts import write_artefacts
from pipeline.comparison import NamedSet, Networks, distinct_names
from pipeline.detection.calibration import Calibration, calibrate
from pipeline.detection.strip import CalibratedStrip, calibrated_strip
from pipeline.faithful_export import Export
from pipeline.manifest import FILE_NAME, Provenance
from pipeline.measuring.evaluation import Evaluation
from pipeline.measuring.predictions import predict_scores
from pipeline.methods.catalogue import METHODS
from pipeline.methods.repair_method import Repair, RepairSettings
from pipeline.outputs import make_folder, only_run_in, sha256_of
from pipeline.progress import log
from pipeline.proof import prove
from pipeline.repair_report import report_contents
from pipeline.reporting.report import render_report
from pipeline.reporting.tables import format_table
from pipeline.runs import Artefacts
from pipeline.suspect import Suspect, open_suspect
from pipeline.training.devices import Devices
from pipeline.unfinished import close_work_dir, leave, open_work_dir, publish, remove_earlier

METRICS = "metrics.json"
REPORT = "report.html"


@dataclass(frozen=True)
class Case:
    """What a run works on, all paths.

    Attributes:
        model: the suspect.
        clean: clean images to repair with.
        test: more clean images, only measured on; or None.
        poisoned: sets that carry triggers, only measured on.
    """

    model: str
    clean: str
    test: str | None = None
    poisoned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """How a run goes; the defaults are those of the flags.

    Attributes:
        out_dir: the folder to write to.
        method: a name in `METHODS`.
        settings: of the method.
        max_false_positive_rate: the share of clean inputs that may be flagged, 0..1.
        strip: measure STRIP too.
        precision: of the TFLite detector.
        min_parity: the least share of images on which that detector answers as the Keras one, 0..1.
        precision_may_change: whether a higher precision is written where this one does not answer so.
        architecture: of a file that holds weights only; None to recognise it.
        scales: input scales to try.
        resume: go on from an interrupted run.
        skip_broken_images: leave out images of a folder that can't be decoded, instead of refusing the folder.
    """

    out_dir: str
    method: str = "full"
    settings: RepairSettings = dataclasses.field(default_factory=RepairSettings)
    max_false_positive_rate: float = 0.01
    strip: bool = False
    precision: str = "int8"
    min_parity: float = 0.99
    precision_may_change: bool = True
    architecture: str | None = None
    scales: tuple[InputScale, ...] = DEFAULT_SCALES
    resume: bool = False
    skip_broken_images: bool = True


@dataclass(frozen=True)
class Result:
    """What a run ended with: the figures, as a table for the terminal too, and the path of the report."""

    evaluation: Evaluation
    table: str
    report: str


def repair(case: Case, options: Options, devices: Devices) -> Result:
    """Repairs a suspect and leaves the files of a run in its folder.

    Raises:
        InputError: what the user can mend, in one line.
    """
    if options.method not in METHODS:
        raise InputError(f"--method={options.method}: unknown; expected one of {', '.join(METHODS)}")
    _refuse_to_replace_inputs(case, options.out_dir)
    keras.utils.set_random_seed(options.settings.seed)
    clean = open_image_set(case.clean, options.skip_broken_images)
    split = split_clean(clean, options.settings.seed)
    suspect = open_suspect(case.model, split.fit, options.scales, options.architecture)
    check_fits(suspect.facts, clean)
    make_folder(options.out_dir)
    with only_run_in(options.out_dir):
        provenance = _provenance(case, options, devices)
        work_dir = open_work_dir(options.out_dir, provenance.request(), options.resume)
        outcome = METHODS[options.method](suspect, split.fit.in_memory(), options.settings, devices, work_dir)
        calibration = _calibrate(suspect, outcome, split.calibrate, options.max_false_positive_rate)
        written = write_artefacts(
            Artefacts.within(work_dir),
            suspect,
            outcome,
            calibration,
            split.fit,
            options.precision,
            provenance.seed,
            options.min_parity,
            options.precision_may_change,
        )
        artefacts = Artefacts.within(options.out_dir)
        remove_earlier(options.out_dir, (FILE_NAME, METRICS, REPORT, *artefacts.paths()))
        publish(work_dir, options.out_dir, artefacts.paths())
        findings = {**_findings(suspect, split, outcome, calibration), **_exported(written.export)}
        leave(work_dir, options.out_dir, FILE_NAME, provenance.manifest(findings, artefacts.paths()))
        strip = _strip(suspect, split, options) if options.strip else None

        # From here on nothing is decided any more: only now may a poisoned set be opened.
        networks = Networks(
            suspect.facts,
            suspect.scale.chosen,
            suspect.model,
            outcome.pruned,
            outcome.repaired,
            written.detector,
            artefacts.detector_tflite,
            strip,
        )
        triggers = [ranked.trigger for ranked in outcome.triggers]
        sets = _measured_sets(case, split, options.skip_broken_images)
        proof = prove(networks, sets, triggers, provenance.seed)
        leave(work_dir, options.out_dir, METRICS, proof.metrics())
        outputs = {**artefacts.paths(), METRICS: os.path.join(options.out_dir, METRICS)}
        manifest = provenance.manifest(findings, outputs, [path for path in (case.test, *case.poisoned) if path])
        report = report_contents(suspect, split, outcome, options.method, options.out_dir, calibration, proof, manifest)
        report_path = os.path.join(options.out_dir, REPORT)
        leave(work_dir, options.out_dir, REPORT, render_report(report))
        manifest["outputs"][REPORT] = sha256_of(report_path)
        leave(work_dir, options.out_dir, FILE_NAME, manifest)
        close_work_dir(work_dir)
    return Result(proof.evaluation, format_table(proof.evaluation), report_path)


def _refuse_to_replace_inputs(case: Case, out_dir: str) -> None:
    inputs = [os.path.realpath(path) for path in (case.model, case.clean, case.test, *case.poisoned) if path]
    for path in Artefacts.within(out_dir).paths().values():
        if os.path.realpath(path) in inputs:
            raise InputError(
                f"--out_dir={out_dir}: the run would replace its own input {path}; expected another folder"
            )


def _provenance(case: Case, options: Options, devices: Devices) -> Provenance:
    settings = {name: value for name, value in dataclasses.asdict(options).items() if name not in ("out_dir", "resume")}
    settings.update(settings.pop("settings"))
    return Provenance(
        command="repair",
        settings=settings,
        seed=settings.pop("seed"),
        devices=devices.names,
        inputs={path: sha256_of(path) for path in (case.model, case.clean)},
    )


def _calibrate(suspect: Suspect, outcome: Repair, clean: ImageSet, max_false_positive_rate: float) -> Calibration:
    scorer = build_scorer(suspect.model, outcome.repaired, suspect.scale.chosen)
    calibration = calibrate(predict_scores(scorer, clean).suspicion, max_false_positive_rate)
    log.info(
        "detector: threshold %.4g from %d clean images, false positive rate promised %.3g %%",
        calibration.threshold,
        calibration.images,
        100 * calibration.promised,
    )
    if calibration.promised > calibration.asked:
        log.warning(
            "detector: %d calibration images cannot promise a false positive rate below %.3g %%; %.3g %% was asked for",
            calibration.images,
            100 * calibration.promised,
            100 * calibration.asked,
        )
    return calibration


def _strip(suspect: Suspect, split: CleanSplit, options: Options) -> CalibratedStrip:
    return calibrated_strip(
        suspect.model, suspect.scale.chosen, split, options.max_false_positive_rate, options.settings.seed
    )


def _findings(suspect: Suspect, split: CleanSplit, outcome: Repair, calibration: Calibration) -> dict[str, Any]:
    pruning = outcome.pruning
    return {
        "classes": suspect.facts.classes,
        "image_shape": list(suspect.facts.image_shape),
        "input_scale": dataclasses.asdict(suspect.scale.chosen),
        "input_scale_accuracy": suspect.scale.accuracy,
        "input_scale_runner_up": {"name": suspect.scale.runner_up.name, "accuracy": suspect.scale.runner_up_accuracy},
        "split": {part: len(getattr(split, part)) for part in ("fit", "calibrate", "report")},
        "inverted_triggers": [
            {
                "label": ranked.trigger.label,
                "trigger": ranked.trigger.described,
                "size": ranked.trigger.size,
                "success": ranked.trigger.success,
                "anomaly_index": ranked.anomaly_index,
            }
            for ranked in outcome.triggers
        ],
        "pruned_share": pruning.curve.share if pruning else 0.0,
        "closed_channels": {
            site: np.flatnonzero(mask).tolist() for site, mask in (pruning.closed if pruning else {}).items()
        },
        "threshold": calibration.threshold,
        "false_positive_rate_promised": calibration.promised,
    }


def _exported(export: Export) -> dict[str, Any]:
    """The precision that was written, and why no other."""
    return {"precision": export.precision, "precisions_passed_over": list(export.passed_over)}


def _measured_sets(case: Case, split: CleanSplit, skip_broken: bool) -> list[NamedSet]:
    """The sets to measure on. Poisoned files are opened here, and nowhere before."""
    sets = [NamedSet("clean data (report split)", split.report)]
    if case.test:
        sets.append(NamedSet(f"test data ({os.path.basename(case.test)})", open_image_set(case.test, skip_broken)))
    for name, path in zip(distinct_names(case.poisoned), case.poisoned, strict=True):
        sets.append(NamedSet(name, open_image_set(path, skip_broken), given_as_poisoned=True))
    return sets
