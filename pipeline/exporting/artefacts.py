"""The models that a repair hands over, written whole."""

import functools
from dataclasses import dataclass

from goodnet.data.image_set import ImageSet
from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.models.detector import build_detector
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network
from goodnet.pipeline.detection.calibrated import CalibratedDetector
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.exporting.device_bundle import device_bundle
from goodnet.pipeline.exporting.faithful_export import Export
from goodnet.pipeline.exporting.model_export import export_detector
from goodnet.pipeline.inputs.suspect import Suspect
from goodnet.pipeline.methods.repair_method import Repair
from goodnet.pipeline.run.finished_runs import Artefacts
from goodnet.pipeline.run.output_files import sha256_of, write_bytes, write_whole


@dataclass(frozen=True)
class WrittenDetector:
    """The detector as a Keras model, and its export for the device."""

    detector: keras.Model
    export: Export


def write_artefacts(
    artefacts: Artefacts,
    suspect: Suspect,
    repair: Repair,
    calibrated: CalibratedDetector,
    fit: ImageSet,
    precision: str,
    seed: int,
    min_parity: float = 0.99,
    falls_back: bool = True,
    suspect_sha256: str | None = None,
) -> WrittenDetector:
    """Writes the pruned, the repaired and the detector's files, and the archive for a device.

    Nothing but clean images of the fit split decides on the precision; what they are stamped with is drawn at random,
    or was inverted.

    Args:
        artefacts: where.
        suspect: the BadNet.
        repair: its repair.
        calibrated: the detector's threshold, and its second signal.
        fit: clean images; a seeded sample of them sets the ranges of the quantised detector.
        precision: of the detector for the device, one of `export.precisions.PRECISIONS`.
        seed: of the sample, and of what is stamped.
        min_parity: the least share of images on which the device answers as Keras, 0..1.
        falls_back: whether another precision will do where this one does not answer so.
        suspect_sha256: of the suspect's file, for the detector's card; None if it came without one.

    Returns:
        The detector.

    Raises:
        InputError: the exported detector does not answer as the Keras one.
    """
    for model in (repair.pruned, repair.repaired):
        unfreeze(model)
    calibration = calibrated.calibration
    detector = build_detector(
        suspect.model, repair.repaired, suspect.scale.chosen, calibration.threshold, calibrated.novelty
    )
    for path, model in (
        (artefacts.pruned, repair.pruned),
        (artefacts.repaired_h5, repair.repaired),
        (artefacts.repaired_keras, repair.repaired),
        (artefacts.detector_keras, detector),
    ):
        write_whole(path, functools.partial(save_network, model))
    triggers = list(repair.triggers)
    export = export_detector(detector, fit, seed, precision, min_parity, falls_back, triggers)
    card = _card(artefacts, suspect, calibration, fit, export.precision, suspect_sha256)
    tflite = add_bundle(export.tflite, card)
    write_bytes(artefacts.detector_tflite, tflite)
    write_bytes(artefacts.device_bundle, device_bundle(tflite, card))
    return WrittenDetector(detector, export)


def unfreeze(model: keras.Model) -> None:
    """Makes every layer trainable, so that whoever loads the file may tune it."""
    for layer in model.layers:
        layer.trainable = True


def _card(
    artefacts: Artefacts,
    suspect: Suspect,
    calibration: Calibration,
    fit: ImageSet,
    precision: str,
    suspect_sha256: str | None,
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
        suspect_sha256=suspect_sha256,
    )
