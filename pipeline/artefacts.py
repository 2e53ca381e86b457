"""The models that a repair hands over, written whole."""

import functools
from collections.abc import Iterator

import numpy as np

from data.image_set import ImageSet
from export.bundle import DetectorCard, add_bundle
from export.conversion import convert_detector
from models.detector import build_detector
from models.legacy_keras import keras
from models.saving import save_network
from pipeline.detection.calibration import Calibration
from pipeline.methods.repair_method import Repair
from pipeline.outputs import sha256_of, write_bytes, write_whole
from pipeline.progress import log
from pipeline.runs import Artefacts
from pipeline.suspect import Suspect

# More images do not move the ranges that int8 scales are set by; two hundred already cost seconds.
_REPRESENTATIVE_IMAGES = 200


def write_artefacts(
    artefacts: Artefacts,
    suspect: Suspect,
    repair: Repair,
    calibration: Calibration,
    fit: ImageSet,
    precision: str,
    seed: int,
) -> keras.Model:
    """Writes the pruned, the repaired and the detector's files.

    Args:
        artefacts: where.
        suspect: the BadNet.
        repair: its repair.
        calibration: the detector's threshold.
        fit: clean images; a seeded sample of them sets the ranges of the quantised detector.
        precision: "int8", "float16" or "float32" arithmetic on the device.
        seed: of the sample.

    Returns:
        The Keras detector.
    """
    for model in (repair.pruned, repair.repaired):
        unfreeze(model)
    detector = build_detector(suspect.model, repair.repaired, suspect.scale.chosen, calibration.threshold)
    for path, model in (
        (artefacts.pruned, repair.pruned),
        (artefacts.repaired_h5, repair.repaired),
        (artefacts.repaired_keras, repair.repaired),
        (artefacts.detector_keras, detector),
    ):
        write_whole(path, functools.partial(save_network, model))
    log.info("export: converting the detector to %s TFLite", precision)
    tflite = convert_detector(detector, representative_images(fit, seed), precision)
    write_bytes(artefacts.detector_tflite, add_bundle(tflite, _card(artefacts, suspect, calibration, fit, precision)))
    return detector


def representative_images(clean: ImageSet, seed: int) -> Iterator[np.ndarray]:
    """A seeded sample of clean images, uint8 [H, W, C] each."""
    for images, _ in clean.batches(32, representative_indices(clean, seed)):
        yield from images


def representative_indices(clean: ImageSet, seed: int) -> np.ndarray:
    """Which images these are: int64, ascending."""
    count = min(len(clean), _REPRESENTATIVE_IMAGES)
    return np.sort(np.random.default_rng(seed).choice(len(clean), count, replace=False))


def unfreeze(model: keras.Model) -> None:
    """Makes every layer trainable, so that whoever loads the file may tune it."""
    for layer in model.layers:
        layer.trainable = True


def _card(
    artefacts: Artefacts, suspect: Suspect, calibration: Calibration, fit: ImageSet, precision: str
) -> DetectorCard:
    return DetectorCard(
        classes=suspect.facts.classes,
        image_shape=suspect.facts.image_shape,
        precision=precision,
        threshold=calibration.threshold,
        class_names=fit.class_names,
        max_false_positive_rate=calibration.promised,
        calibration_images=calibration.images,
        input_scale=suspect.scale.chosen.name,
        keras_sha256=sha256_of(artefacts.detector_keras),
    )
