"""The steps of a repair: from a BadNet to a repaired model, a detector for the device, and evidence."""

import dataclasses
import datetime
import functools
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.data.class_names import read_class_names, with_target
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.data.splits import CleanSplit, split_clean
from goodnet.data.use import Use
from goodnet.flags.settings import setting
from goodnet.models.channels.gates import gate_groups
from goodnet.models.classifier import check_fits
from goodnet.models.input_scale import DEFAULT_SCALES, InputScale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.network_cost import MOST_MULTIPLY_ADDS
from goodnet.pipeline.detection.calibrated import CalibratedDetector, calibrate_detector
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.detection.novelty import fit_novelty
from goodnet.pipeline.detection.strip import CalibratedStrip, calibrated_strip
from goodnet.pipeline.exporting.artefacts import write_artefacts
from goodnet.pipeline.exporting.faithful_export import Export
from goodnet.pipeline.inputs.case import Case, as_taken, name_of, opened
from goodnet.pipeline.inputs.suspect import Suspect, chance_policy, open_suspect, scale_findings
from goodnet.pipeline.measuring.artefact_figures import measure_artefacts
from goodnet.pipeline.measuring.comparison import NamedSet, Networks, distinct_names
from goodnet.pipeline.measuring.evaluation import Evaluation
from goodnet.pipeline.methods.catalogue import METHODS
from goodnet.pipeline.methods.repair_method import Repair, RepairSettings
from goodnet.pipeline.reporting.evidence import LEFT_AS_IT_IS, evidence_as_json, summary, trigger_examples
from goodnet.pipeline.reporting.report import render_report
from goodnet.pipeline.reporting.run_record import RunRecord
from goodnet.pipeline.reporting.tables import format_table
from goodnet.pipeline.run import own_runs
from goodnet.pipeline.run.finished_runs import DEVICE_BUNDLE, Artefacts
from goodnet.pipeline.run.manifest import FILE_NAME, Provenance, manifest_bytes
from goodnet.pipeline.run.output_files import make_folder, only_run_in, sha256_of, unfinished_folder, write_whole
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.run.work_folder import (
    FOLDER,
    close_work_dir,
    open_work_dir,
    publish,
    remove_earlier,
    write_result,
)
from goodnet.pipeline.training.augmentation import check_shift
from goodnet.pipeline.training.devices import Devices
from goodnet.pipeline.training.run_config import RunConfig

METRICS = "metrics.json"
REPORT = "report.html"
# What a run leaves, first those that describe others.
FILES = (FILE_NAME, METRICS, REPORT, DEVICE_BUNDLE, *Artefacts.within("").paths())


@dataclass(frozen=True)
class Options:
    """How a run goes; a field that is a `setting` says itself what it does, the other defaults are those of the flags.

    Attributes:
        out_dir: the folder to write to.
        settings: of the method.
        seed: all that is random follows from it: the split of the clean images, order, augmentation, the search for
            triggers, what is sampled.
        precision: of the TFLite detector.
        min_parity: the least share of images on which that detector answers as the Keras one, 0..1.
        precision_may_change: whether a higher precision is written where this one does not answer so.
        architecture: of a file that holds weights only; None to recognise it.
        max_multiply_adds: what the model may cost for one image.
        scales: input scales to try.
        resume: go on from an interrupted run.
        skip_broken_images: leave out images of a folder that can't be decoded, instead of refusing the folder.
        allow_chance: go on, with a warning, with a suspect that is no better than chance on the clean data.
        reading: how images are read.
    """

    out_dir: str
    method: str = setting(
        "full",
        "full (look for evidence of a backdoor; where there is some, prune by tfmot what is dormant on clean data and "
        "unlearn the inverted triggers; else leave the model as it is), fine-pruning (prune, tune) or fine-tuning (the "
        "baseline: tune only).",
    )
    settings: RepairSettings = dataclasses.field(default_factory=RepairSettings)
    seed: int = 0
    max_false_positive_rate: float = setting(
        0.01,
        "The share of clean inputs that may be called backdoored. The threshold is set on clean images the repair did "
        "not train on. Few of them cannot promise so little; the log and the report say what they can.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    novelty: bool = setting(
        True,
        "Flag images whose local statistics are unlike those of the clean images, too: waves, tints and filters over "
        "the whole image, which no contradiction of two networks may show. Turn it off where the device's camera "
        "differs from the one that took the clean images.",
    )
    strip: bool = setting(
        False,
        "Measure STRIP too, a second opinion that looks at the suspect alone (Gao et al., 2019). It is reported beside "
        "the detector and not a part of it; it takes 20 answers of the suspect for each image.",
    )
    precision: str = "int8"
    min_parity: float = 0.99
    precision_may_change: bool = True
    architecture: str | None = None
    max_multiply_adds: int = MOST_MULTIPLY_ADDS
    scales: tuple[InputScale, ...] = DEFAULT_SCALES
    resume: bool = False
    skip_broken_images: bool = True
    allow_chance: bool = False
    reading: ReadingOptions = AS_STORED


@dataclass(frozen=True)
class Result:
    """What a run ended with.

    Attributes:
        evaluation: the figures.
        table: the same for the terminal.
        report: the report's path.
        finding: what was found of a backdoor, and what follows from it, for the terminal; empty where none was looked
            for.
        record: what the report is made of.
    """

    evaluation: Evaluation
    table: str
    report: str
    finding: str
    record: RunRecord


def repair(case: Case, options: Options, devices: Devices) -> Result:
    """Repairs a suspect and leaves the files of a run in its folder.

    Raises:
        InputError: what the user can mend, in one line.
    """
    if options.method not in METHODS:
        raise InputError(f"--method={options.method}: unknown; expected one of {', '.join(METHODS)}")
    refuse_to_replace_inputs(case, options.out_dir)
    keras.utils.set_random_seed(options.seed)
    names = read_class_names(case.class_names)
    clean = opened(case.clean, options.skip_broken_images, names, options.reading)
    split = split_clean(clean, options.seed)
    suspect = open_suspect(
        case.model,
        split.fit,
        options.scales,
        options.architecture,
        chance_policy(options.allow_chance),
        options.max_multiply_adds,
        case.model_name,
    )
    clean = as_taken(clean, suspect.facts.image_shape)
    split = split_clean(clean, options.seed)
    check_fits(suspect.facts, clean)
    _check_settings(suspect, options.settings)
    test = _test_images(case, options, suspect, clean.class_names)
    make_folder(options.out_dir)
    artefacts = Artefacts.within(options.out_dir)
    outputs = {**artefacts.paths(), DEVICE_BUNDLE: artefacts.device_bundle}
    with only_run_in(options.out_dir, replaced=(FOLDER, *FILES)):
        provenance = _provenance(case, options, devices)
        work_dir = open_work_dir(options.out_dir, provenance.request(), options.resume)
        run = RunConfig(devices.strategy, options.seed, work_dir)
        outcome = METHODS[options.method](suspect, split.fit.in_memory(), options.settings, run)
        calibrated = _calibrate(suspect, outcome, split, options)
        calibration = calibrated.calibration
        written = write_artefacts(
            Artefacts.within(work_dir),
            suspect,
            outcome,
            calibrated,
            split.fit,
            options.precision,
            options.seed,
            options.min_parity,
            options.precision_may_change,
            None if case.model_name else provenance.inputs[case.model],
        )
        remove_earlier(options.out_dir, FILES)
        publish(work_dir, options.out_dir, outputs)
        findings = {**_findings(suspect, split, outcome, calibration), **_exported(written.export)}
        _leave_manifest(work_dir, options.out_dir, provenance.manifest(findings, outputs))
        strip = _strip(suspect, split, options) if options.strip else None

        # From here on nothing is decided any more: only now may a poisoned set be opened.
        networks = Networks(
            suspect.network,
            outcome.pruned,
            outcome.repaired,
            written.detector,
            artefacts.detector_tflite,
            strip,
        )
        triggers = list(outcome.triggers)
        sets = _measured_sets(case, split, test, options)
        figures = measure_artefacts(networks, sets, triggers, options.seed)
        write_result(work_dir, options.out_dir, METRICS, figures.metrics())
        outputs = {**outputs, METRICS: os.path.join(options.out_dir, METRICS)}
        manifest = provenance.manifest(findings, outputs, case.measured_on())
        record = RunRecord(
            model=suspect.path,
            created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            method=options.method,
            class_names=split.fit.class_names,
            evidence=outcome.evidence,
            triggers=trigger_examples(outcome.evidence, split.fit) if outcome.evidence else (),
            outcome=outcome,
            scale=suspect.scale,
            calibration=calibration,
            figures=figures,
            manifest=manifest,
            file_sizes={name: os.path.getsize(path) for name, path in outputs.items()},
        )
        report_path = os.path.join(options.out_dir, REPORT)
        write_result(work_dir, options.out_dir, REPORT, render_report(record))
        manifest["outputs"][REPORT] = sha256_of(report_path)
        _leave_manifest(work_dir, options.out_dir, manifest)
        close_work_dir(work_dir)
    return Result(figures.evaluation, format_table(figures.evaluation), report_path, _finding(outcome), record)


def _finding(outcome: Repair) -> str:
    """For the terminal."""
    if outcome.evidence is None:
        return ""
    return summary(outcome.evidence) + (f"\n\n{LEFT_AS_IT_IS}" if outcome.unchanged else "")


def copy_run(folder: str, out_dir: str) -> None:
    """Copies what a run has left, from one folder to another.

    Args:
        folder: the run's.
        out_dir: where to; it is made where it is missing. The files of an earlier run there are replaced, when all of
            the others are at hand.

    Raises:
        InputError: the folder cannot be written to, or another run is writing there.
    """
    make_folder(out_dir)
    with only_run_in(out_dir, replaced=(FOLDER, *FILES)), unfinished_folder(out_dir) as beside:
        for name in FILES:
            write_whole(os.path.join(beside, name), functools.partial(shutil.copyfile, os.path.join(folder, name)))
        remove_earlier(out_dir, FILES)
        publish(beside, out_dir, FILES[::-1])


def refuse_to_replace_inputs(case: Case, out_dir: str) -> None:
    """Refuses a folder in which a file of the run is to stand where one of its inputs is.

    Raises:
        InputError: it is such a folder.
    """
    inputs = [os.path.realpath(path) for path in case.paths]
    for path in Artefacts.within(out_dir).paths().values():
        if os.path.realpath(path) in inputs:
            raise InputError(
                f"--out_dir={out_dir}: the run would replace its own input {path}; expected another folder"
            )


def _check_settings(suspect: Suspect, settings: RepairSettings) -> None:
    """Refuses settings that do not fit the network, before the work that ends at them."""
    check_shift(settings.max_shift, suspect.facts.image_shape)
    if settings.pruned_layers:
        gate_groups(suspect.network.layer_graph, settings.pruned_layers)


def _test_images(
    case: Case, options: Options, suspect: Suspect, class_names: tuple[str, ...] | None
) -> ImageSet | None:
    """Clean images that are only measured on; before the work nothing is checked but that they fit the suspect."""
    if case.test is None:
        return None
    test = opened(case.test, options.skip_broken_images, class_names, options.reading, Use.TEST)
    test = as_taken(test, suspect.facts.image_shape)
    check_fits(suspect.facts, test)
    return test


def _leave_manifest(work_dir: str, out_dir: str, manifest: Mapping[str, Any]) -> None:
    write_result(work_dir, out_dir, FILE_NAME, manifest)
    own_runs.note_manifest(manifest_bytes(out_dir))


def _provenance(case: Case, options: Options, devices: Devices) -> Provenance:
    settings = {name: value for name, value in dataclasses.asdict(options).items() if name not in ("out_dir", "resume")}
    settings.update(settings.pop("settings"))
    settings["scales"] = [scale.name for scale in options.scales]
    return Provenance(
        command="repair",
        settings=settings,
        seed=settings.pop("seed"),
        devices=devices.names,
        inputs=case.decided_by(),
    )


def _calibrate(suspect: Suspect, outcome: Repair, split: CleanSplit, options: Options) -> CalibratedDetector:
    novelty = fit_novelty(split.fit, split.calibrate, options.seed) if options.novelty else None
    calibrated = calibrate_detector(suspect.network, outcome.repaired, split, options.max_false_positive_rate, novelty)
    calibration = calibrated.calibration
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
    return calibrated


def _strip(suspect: Suspect, split: CleanSplit, options: Options) -> CalibratedStrip:
    return calibrated_strip(suspect.network, split, options.max_false_positive_rate, options.seed)


def _findings(suspect: Suspect, split: CleanSplit, outcome: Repair, calibration: Calibration) -> dict[str, Any]:
    pruning = outcome.pruning
    return {
        "classes": suspect.facts.classes,
        "image_shape": list(suspect.facts.image_shape),
        **scale_findings(suspect.scale),
        "split": {part: len(getattr(split, part)) for part in ("fit", "calibrate", "report")},
        "changed": not outcome.unchanged,
        "evidence": evidence_as_json(outcome.evidence) if outcome.evidence else None,
        "unlearned": sorted({trigger.label for trigger in outcome.triggers}),
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


def _measured_sets(case: Case, split: CleanSplit, test: ImageSet | None, options: Options) -> list[NamedSet]:
    """The sets to measure on. Poisoned files are opened here, and nowhere before."""
    sets = [NamedSet("clean data (report split)", split.report)]
    if case.test is not None and test is not None:
        sets.append(NamedSet(f"test data ({os.path.basename(name_of(case.test))})", test))
    targets = case.targets or (None,) * len(case.poisoned)
    short_names = distinct_names([name_of(one) for one in case.poisoned])
    for name, given, target in zip(short_names, case.poisoned, targets, strict=True):
        names, use = split.fit.class_names, Use.POISONED
        images = opened(given, options.skip_broken_images, names, options.reading, use)
        images = as_taken(images, split.fit.image_shape)
        sets.append(NamedSet(name, with_target(images, target), given_as_poisoned=True))
    return sets
