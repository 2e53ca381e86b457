"""The models that a repair hands over, written whole."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.export.parity import Parity, check_classifier_parity, check_parity
from goodnet.export.provoking import provoked
from goodnet.models.detector import build_detector
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network
from goodnet.pipeline.detection.calibrated import CalibratedDetector
from goodnet.pipeline.detection.calibration import Calibration
from goodnet.pipeline.device_bundle import device_bundle
from goodnet.pipeline.faithful_export import Candidate, Export, export_faithfully
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.measuring.parity_images import clean_batches, stamped_batches
from goodnet.pipeline.methods.repair_method import Repair
from goodnet.pipeline.run.finished_runs import Artefacts
from goodnet.pipeline.run.output_files import sha256_of, write_bytes, write_whole
from goodnet.pipeline.suspect import Suspect

# More images do not move the ranges that int8 scales are set by; two hundred already cost seconds.
_REPRESENTATIVE_IMAGES = 200
# So many tell a share of 99 % from one of 97 %.
_COMPARED_IMAGES = 600
# Each of these costs twenty passes and more.
_PROVOKED_IMAGES = 32


@dataclass(frozen=True)
class Written:
    """The detector that was written: as a Keras model, and how it was exported for the device."""

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
) -> Written:
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
    return Written(detector, export)


def export_detector(
    detector: keras.Model,
    clean: ImageSet,
    seed: int,
    precision: str,
    min_parity: float,
    falls_back: bool,
    triggers: Sequence[InvertedTrigger] = (),
) -> Export:
    """Converts a detector and holds the file against it; otherwise as `write_artefacts`.

    Args:
        detector: a model of `build_detector`.
        clean: clean images.
        seed: of the representative images, and of what is stamped.
        precision: the one to try first.
        min_parity: the least share of images on which the device answers as Keras, 0..1.
        falls_back: whether another precision will do.
        triggers: those that a repair inverted; they are stamped, too.
    """
    few = compared_indices(clean, seed, _PROVOKED_IMAGES)
    extra = provoked(detector, clean.images(few))
    candidate = _candidate(convert_detector, check_parity, (detector,), clean, seed, triggers, extra)
    return export_faithfully(candidate, precision, min_parity, falls_back)


def export_classifier(
    model: keras.Model,
    input_scale: InputScale,
    clean: ImageSet,
    seed: int,
    precision: str,
    min_parity: float,
    falls_back: bool,
) -> Export:
    """The same of a plain classifier that takes images on a scale."""
    candidate = _candidate(convert_classifier, check_classifier_parity, (model, input_scale), clean, seed)
    return export_faithfully(candidate, precision, min_parity, falls_back)


def _candidate(
    convert: Callable[..., bytes],
    compare: Callable[..., Parity],
    given: tuple[Any, ...],
    clean: ImageSet,
    seed: int,
    triggers: Sequence[InvertedTrigger] = (),
    *extra: np.ndarray,
) -> Candidate:
    places = compared_indices(clean, seed, _COMPARED_IMAGES)
    return Candidate(
        lambda precision: convert(*given, representative_images(clean, seed), precision),
        lambda path, batches: compare(*given, path, batches),
        lambda: clean_batches(clean, places),
        lambda: itertools.chain(stamped_batches(clean, places, seed, triggers), extra),
    )


def representative_images(clean: ImageSet, seed: int) -> Iterator[np.ndarray]:
    """A seeded sample of clean images, uint8 [H, W, C] each."""
    for images, _ in clean.batches(32, representative_indices(clean, seed)):
        yield from images


def representative_indices(clean: ImageSet, seed: int) -> np.ndarray:
    """Which images these are: int64, ascending."""
    count = min(len(clean), _REPRESENTATIVE_IMAGES)
    return np.sort(np.random.default_rng(seed).choice(len(clean), count, replace=False))


def compared_indices(clean: ImageSet, seed: int, most: int) -> np.ndarray:
    """Which images the file is compared on: int64 [at most `most`], those first that the conversion does not see."""
    seen = representative_indices(clean, seed)
    unseen = np.setdiff1d(np.arange(len(clean)), seen)
    return np.sort(np.concatenate([np.random.default_rng([seed, 5]).permutation(unseen), seen])[:most])


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
