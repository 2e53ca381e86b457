"""What networks answer on an image set."""

from dataclasses import dataclass

import numpy as np

from goodnet.data.batch_sizes import images_at_once
from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet
from goodnet.export.device_process import PixelFile
from goodnet.models.detector import take_apart
from goodnet.models.legacy_keras import keras

BADNET, PRUNED, REPAIRED, DETECTOR, ON_DEVICE = "badnet", "pruned", "repaired", "detector", "on device"


@dataclass(frozen=True, eq=False)
class StagePredictions:
    """The answers of one network on the n images of one set.

    Attributes:
        stage: which network: "badnet", "pruned", "repaired", "detector", or another name such as "detector int8".
        labels: int64 [n], in 0..N-1; from a detector in 0..N.
        suspicion: float32 [n] in 0..1 of a detector; None if there is none.
        backdoor_label: N, the label by which a detector says "this carries a trigger"; None for a plain classifier.

    Raises:
        ValueError: labels and suspicion do not fit each other, or a suspicion is NaN.
    """

    stage: str
    labels: np.ndarray
    suspicion: np.ndarray | None = None
    backdoor_label: int | None = None

    def __post_init__(self):
        if self.labels.ndim != 1:
            raise ValueError(f"{self.stage}: labels of shape {self.labels.shape}; expected [n]")
        if self.suspicion is None:
            return
        if self.backdoor_label is None or self.suspicion.shape != self.labels.shape:
            raise ValueError(f"{self.stage}: a suspicion for each label and the backdoor label were expected")
        if np.isnan(self.suspicion).any():
            raise ValueError(f"{self.stage}: {np.isnan(self.suspicion).sum()} suspicions are NaN")

    @property
    def is_detector(self) -> bool:
        """Whether these answers can say "backdoor"."""
        return self.backdoor_label is not None


@dataclass(frozen=True, eq=False)
class Scores:
    """A scorer's output for n images: everything about a detector except its threshold.

    Attributes:
        claimed: int64 [n], the BadNet's class.
        repaired_label: int64 [n], the repaired network's class.
        suspicion: float32 [n] in 0..1.
    """

    claimed: np.ndarray
    repaired_label: np.ndarray
    suspicion: np.ndarray

    def detector_predictions(self, threshold: float, classes: int) -> StagePredictions:
        """The detector's answers: N where the suspicion exceeds the threshold (compared in float32), else the class.

        Args:
            threshold: in 0..1.
            classes: N.
        """
        flagged = self.suspicion > np.float32(threshold)
        return StagePredictions(DETECTOR, np.where(flagged, classes, self.repaired_label), self.suspicion, classes)


def predict_scores(scorer: keras.Model, image_set: ImageSet, batch_size: int | None = None) -> Scores:
    """The classes that BadNet and repaired network give every image, and its suspicion; reads batch by batch.

    Args:
        scorer: a model of `models.detector.build_scorer`.
        image_set: the images.
        batch_size: images at once; None for what memory allows.

    Raises:
        InputError: a suspicion is NaN.
    """
    claimed = np.empty(len(image_set), np.int64)
    repaired_label = np.empty(len(image_set), np.int64)
    suspicion = np.empty(len(image_set), np.float32)
    start = 0
    for images, _ in image_set.batches(batch_size or images_at_once(image_set.image_shape)):
        here = slice(start, start + len(images))
        claimed[here], repaired_label[here], suspicion[here] = scorer.predict_on_batch(images.astype(np.float32))
        start += len(images)
    if np.isnan(suspicion).any():
        raise InputError(f"{image_set.name}: the suspicion of {np.isnan(suspicion).sum()} images is NaN")
    return Scores(claimed, repaired_label, suspicion)


def predict_detector(detector: keras.Model, image_set: ImageSet, batch_size: int | None = None) -> StagePredictions:
    """The answers of a Keras detector with its own threshold, and the suspicions behind them.

    Args:
        detector: a model of `models.detector.build_detector`, fresh or loaded.
        image_set: the images.
        batch_size: images at once; None for what memory allows.

    Returns:
        Labels in 0..N and suspicions.

    Raises:
        InputError: the model is not such a detector.
    """
    parts = take_apart(detector)
    classes = int(detector.output_shape[-1]) - 1
    return predict_scores(parts.scorer, image_set, batch_size).detector_predictions(parts.threshold, classes)


def predict_on_device(
    tflite_path: str, classes: int, image_set: ImageSet, batch_size: int | None = None
) -> StagePredictions:
    """The answers of the file that ships, run by a TFLite runtime: what a user of the device gets.

    Args:
        tflite_path: an exported detector.
        classes: N.
        image_set: the images.
        batch_size: images read at once; None likewise.

    Raises:
        InputError: the file is no detector for these images, or cannot be run.
    """
    with PixelFile(image_set.image_shape) as pixels:
        for images, _ in image_set.batches(batch_size or images_at_once(image_set.image_shape)):
            pixels.write(images)
        answers = pixels.answers(tflite_path)
    if "suspicion" not in answers:
        raise InputError(f"{tflite_path}: it gives no suspicion; expected an exported detector")
    labels = answers["label"].reshape(-1).astype(np.int64)
    return StagePredictions(ON_DEVICE, labels, answers["suspicion"].reshape(-1).astype(np.float32), classes)
