"""The record of a small but complete run, made up, for the tests of the report."""

from dataclasses import replace

import numpy as np

from goodnet.data.image_set import from_arrays
from goodnet.export.parity import Parity
from goodnet.models.channels.gates import GateGroup
from goodnet.models.input_scale import BYTE_SCALE, UNIT_SCALE
from goodnet.models.input_scale_search import ScaleFinding
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.detection.calibration import calibrate
from goodnet.pipeline.inversion.evidence import Evidence
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.verdict import BACKDOOR, CLEAN, LabelEvidence, Verdict
from goodnet.pipeline.measuring.artefact_figures import ArtefactFigures
from goodnet.pipeline.measuring.evaluation import Evaluation, evaluate_sets, measured_set
from goodnet.pipeline.measuring.examples import misclassified_clean, successful_attacks
from goodnet.pipeline.measuring.predictions import StagePredictions
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.measuring.structure import LayerFacts, Structure, StructureRow
from goodnet.pipeline.methods.repair_method import PruningEvidence, Repair
from goodnet.pipeline.pruning.curve import CurvePoint, PruningCurve
from goodnet.pipeline.pruning.profile import ActivationProfile
from goodnet.pipeline.pruning.schedule import SparsityStep
from goodnet.pipeline.reporting.run_record import RunRecord, TriggerExample
from goodnet.pipeline.training.loop import Epoch

CLASSES = 4
_IMAGES = 400


def predictions(
    badnet: np.ndarray, repaired: np.ndarray, suspicion: np.ndarray, threshold: float
) -> tuple[StagePredictions, ...]:
    """Answers of a BadNet, a repaired network and a detector made of the latter."""
    detector = np.where(suspicion > np.float32(threshold), CLASSES, repaired)
    return (
        StagePredictions("badnet", badnet),
        StagePredictions("repaired", repaired),
        StagePredictions("detector", detector, suspicion, CLASSES),
    )


def evaluation(repaired_success: float = 0.0, detected: float = 0.9, badnet_success: float = 1.0) -> Evaluation:
    """Figures of one attack on 300 images of three classes, and of 400 clean images.

    Args:
        repaired_success: share of the triggered images that the repaired network gives the target.
        detected: share of them that the detector flags, first those that fell.
        badnet_success: share that the BadNet gives the target.
    """
    labels = np.arange(_IMAGES) % CLASSES
    others = labels[labels != 0]
    order = np.arange(len(others)) / len(others)
    clean = from_arrays("clean_test", np.zeros((_IMAGES, 2, 2, 3), np.uint8), labels)
    pixels = np.zeros((len(others), 2, 2, 3), np.uint8)
    poisoned = from_arrays("patch@0", pixels, np.zeros_like(others), true_labels=others)
    calm, alarmed = np.zeros(_IMAGES, np.float32), np.where(order < detected, 0.9, 0.1).astype(np.float32)
    return evaluate_sets(
        [
            measured_set(clean, predictions(labels, labels, calm, 0.5)),
            measured_set(
                poisoned,
                predictions(
                    np.where(order < badnet_success, 0, others),
                    np.where(order < repaired_success, 0, others),
                    alarmed,
                    0.5,
                ),
            ),
        ]
    )


def example_evidence(verdict: str = BACKDOOR) -> Evidence:
    """A dark corner that leads to label 0, and a faint haze that leads none of 40 images to label 3."""
    corner, haze = np.zeros((8, 8, 3), np.float32), np.full((8, 8, 3), 12.0, np.float32)
    corner[6:, 6:] = -90
    suspicions = (
        LabelEvidence(InvertedTrigger(0, corner, 1.4, 0.98, True), 5.5, 6.0, 0.21, 1.8, Rate(38, 40)),
        LabelEvidence(InvertedTrigger(3, haze, 0.4, 0.1, False), None, None, None, 0.0, Rate(0, 40)),
    )
    targets = (0,) if verdict == BACKDOOR else ()
    return Evidence(Verdict(verdict, "a reason", targets), suspicions, np.inf, 0.5, 0.85, 100, 32, 16, 9, 80, 40)


def unchanged_record() -> RunRecord:
    """Of a run on a network that nothing speaks against."""
    evidence = example_evidence(CLEAN)
    nothing = keras.Sequential(name="nothing")
    images, labels = np.zeros((60, 2, 2, 3), np.uint8), np.zeros(60, np.int64)
    answers = predictions(labels, labels, np.zeros(60, np.float32), 0.5)
    measured = [measured_set(from_arrays(name, images, labels), answers) for name in ("clean", "poisoned")]
    figures = full_record().figures
    assert figures is not None
    return replace(
        full_record(),
        evidence=evidence,
        outcome=Repair(nothing, nothing, evidence=evidence),
        calibration=calibrate(np.zeros(40, np.float32), 0.05),
        figures=replace(figures, measured=(measured[0], replace(measured[1], poisoned=True))),
    )


def full_record(name: str = "conv_3") -> RunRecord:
    """Of a run whose report has every section.

    Args:
        name: used wherever a name comes from a file: of the model, layer, class, set.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 60)
    names = (name, "one", "two", "three")
    images = rng.integers(0, 256, (60, 8, 8, 3), np.uint8)
    clean = from_arrays(name, images, labels, names)
    poisoned = from_arrays(f"{name} poisoned", images, np.zeros(60, np.int64), names, true_labels=labels)
    calibration = calibrate(rng.random(40).astype(np.float32) / 2, 0.05)
    threshold = calibration.threshold
    calm, alarmed = rng.random(60).astype(np.float32) / 2, np.full(60, 0.9, np.float32)
    on_clean = predictions(labels, (labels + (rng.random(60) < 0.2)) % 4, calm, threshold)
    on_poisoned = predictions(np.zeros(60, np.int64), labels, alarmed, threshold)
    group = GateGroup(name, (name,), (name,), 6)
    closed = np.array([True, True, False, False, False, False])
    points = tuple(CurvePoint(k / 6, {name: k}, Rate(60 - 5 * k, 60)) for k in range(6))
    layer = LayerFacts("Conv2D", (4, None, 6), 6, 168)
    pruning = PruningEvidence(
        ActivationProfile((group,), {name: np.linspace(0, 1, 6, dtype=np.float32)}, 60),
        PruningCurve(points, 0.8, 2),
        {name: closed},
        tuple(SparsityStep(step, step / 6, {name: step // 2 / 3}) for step in (1, 2)),
        None,
    )
    measured = (measured_set(clean, on_clean), measured_set(poisoned, on_poisoned))
    evidence, nothing = example_evidence(), keras.Sequential(name="nothing")
    unlearned = (evidence.suspicions[0].trigger,)
    return RunRecord(
        model=name,
        created="2026-05-04 13:05 UTC",
        method="fine-pruning",
        class_names=names,
        evidence=evidence,
        triggers=tuple(TriggerExample(one.trigger, images[0]) for one in evidence.suspicions),
        outcome=Repair(
            nothing, nothing, pruning, unlearned, {name: (Epoch(0.5, 0.8, 1.0), Epoch(0.4, 0.9, 1.0))}, evidence
        ),
        scale=ScaleFinding(
            UNIT_SCALE,
            0.9,
            BYTE_SCALE,
            0.2,
            60,
            -0.3,
            -5.1,
            0.4,
            confidence=0.95,
            warnings=("--input_scale would tell",),
        ),
        calibration=calibration,
        figures=ArtefactFigures(
            evaluate_sets(measured),
            measured,
            successful_attacks(poisoned, on_poisoned, 3),
            misclassified_clean(clean, on_clean, 3, "repaired"),
            Structure((StructureRow(name, layer, LayerFacts("Conv2D", (4, None, 4), 4, 112)),), 168, 112),
            Parity(60, 59, 60, 0.001, 0.01, "tflite_runtime 2.14.0", 0.2, 0, 0),
            Parity(60, 58, 60, 0.001, 0.01, "tflite_runtime 2.14.0", 0.2, 7, 7),
        ),
        manifest={
            "settings": {name: name},
            "seed": 0,
            "devices": ["CPU:0"],
            "versions": {"python": "3.11"},
            "inputs": {name: "cd" * 32},
            "measured_on": {},
            "findings": {"precision": "int8", "precisions_passed_over": [], "split": {"fit": 40, "calibrate": 40}},
            "outputs": {name: "ab" * 32},
        },
        file_sizes={name: 2048},
    )
