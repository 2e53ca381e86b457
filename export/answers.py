"""What a detector, or a plain classifier, says of an image on the device.

Imports NumPy, the standard library and a runtime; never TensorFlow, nor what needs it.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.export.runtime import ModelError, TfliteFile

_BACKDOOR_LABEL = "backdoor_label"
_DETECTOR_OUTPUTS = {"label", "claimed", "suspicion"}
_CLASSIFIER_OUTPUTS = {"label", "confidence"}


@dataclass(frozen=True)
class Detection:
    """What a detector says of one image.

    Attributes:
        label: the repaired net's class in [0, N - 1], or N if the image is flagged.
        is_backdoor: whether the image is flagged: label is N.
        claimed: the class that the BadNet claims, in [0, N - 1].
        suspicion: in [0, 1]; how much the BadNet and the repaired net contradict each other. NaN where the graph could
            not tell; the image is flagged then.
    """

    label: int
    is_backdoor: bool
    claimed: int
    suspicion: float


@dataclass(frozen=True)
class Classification:
    """What a plain classifier says of one image: its class in [0, N - 1], and that class's probability in [0, 1]."""

    label: int
    confidence: float


class Detector:
    """A detector on the device.

    Attributes:
        file: the file it runs.
        classes: number of classes, N.
        threshold: suspicion above which an image is flagged; None if no card says it, then the graph decides alone.
    """

    def __init__(
        self,
        path: str,
        threshold: float | None = None,
        threads: int = 1,
        runtime: str | None = None,
        allow_missing_card: bool = False,
    ) -> None:
        """Opens a detector.

        Args:
            path: of a file made by `export.conversion.convert_detector`.
            threshold: flag an image already when its suspicion exceeds this; at most the threshold in the file,
                since what the graph flags has no other label any more. None for the one in the file.
            threads: that the runtime may use, 1 to 256.
            runtime: one of `RUNTIMES`; None for the first that is installed.
            allow_missing_card: as for `TfliteFile`.

        Raises:
            ModelError: the file can't be used.
            ValueError: one line: the threshold is looser than the file's, or `threads` is out of range.
            ImportError: no TFLite runtime is installed.
        """
        self._open(TfliteFile(path, threads, runtime, allow_missing_card), threshold)

    @classmethod
    def of(cls, file: TfliteFile, threshold: float | None = None) -> "Detector":
        """The detector in a file that is open already; arguments and errors as for the class itself."""
        detector = cls.__new__(cls)
        detector._open(file, threshold)
        return detector

    def _open(self, file: TfliteFile, threshold: float | None) -> None:
        _check_outputs(file, _DETECTOR_OUTPUTS)
        self.file = file
        built_in = file.card.threshold if file.card else None
        if file.card and built_in is None:
            raise ModelError(f"{file.path}: its card says no threshold, but it is a detector; expected one")
        self.classes = file.card.classes if file.card else _classes_in_graph(file)
        self.threshold = built_in if threshold is None else _stricter(file, built_in, threshold)

    def detect(self, image: np.ndarray) -> Detection:
        """Judges one image.

        Args:
            image: uint8 [H, W, C], raw pixels, RGB or grey.

        Returns:
            The detection.

        Raises:
            ModelError: the runtime fails on it, or answers a class that there is not.
            ValueError: one line: the image has another shape or dtype.
        """
        answer = self.file.answer(image)
        suspicion = float(answer["suspicion"])
        label = _class(answer["label"], self.classes + 1, self.file)
        # Whatever is not known to be at most the threshold is flagged: so is NaN.
        if not suspicion <= (1.0 if self.threshold is None else float(np.float32(self.threshold))):
            label = self.classes
        return Detection(label, label == self.classes, _class(answer["claimed"], self.classes, self.file), suspicion)


class Classifier:
    """A plain classifier on the device; `file` is the file it runs."""

    def __init__(
        self, path: str, threads: int = 1, runtime: str | None = None, allow_missing_card: bool = False
    ) -> None:
        """Opens a classifier made by `export.conversion.convert_classifier`; arguments and errors as for `Detector`."""
        self._open(TfliteFile(path, threads, runtime, allow_missing_card))

    @classmethod
    def of(cls, file: TfliteFile) -> "Classifier":
        """The classifier in a file that is open already."""
        classifier = cls.__new__(cls)
        classifier._open(file)
        return classifier

    def _open(self, file: TfliteFile) -> None:
        _check_outputs(file, _CLASSIFIER_OUTPUTS)
        self.file = file

    def classify(self, image: np.ndarray) -> Classification:
        """Classifies one image.

        Args:
            image: uint8 [H, W, C], raw pixels, RGB or grey.

        Returns:
            The class.

        Raises:
            ModelError: the runtime fails on it, or answers no class or no confidence.
            ValueError: one line: the image has another shape or dtype.
        """
        answer = self.file.answer(image)
        label = _class(answer["label"], self.file.card.classes if self.file.card else None, self.file)
        confidence = float(answer["confidence"])
        if not math.isfinite(confidence):
            raise ModelError(f"{self.file.path}: it answers confidence {confidence}; expected a number in [0, 1]")
        return Classification(label, confidence)


def open_tflite(
    path: str,
    threshold: float | None = None,
    threads: int = 1,
    runtime: str | None = None,
    allow_missing_card: bool = False,
) -> Detector | Classifier:
    """Opens what a file holds; arguments and errors as for `Detector`, and a classifier refuses a threshold."""
    file = TfliteFile(path, threads, runtime, allow_missing_card)
    if not file.outputs >= _CLASSIFIER_OUTPUTS:
        return Detector.of(file, threshold)
    if threshold is not None:
        raise ValueError(
            f"{path}: a plain classifier, which has no suspicion; expected a detector to give a threshold to"
        )
    return Classifier.of(file)


def _class(answer: Any, count: int | None, file: TfliteFile) -> int:
    """A class that a graph answers, checked to be one of `count`; None if it is not known how many there are."""
    label = int(answer)
    if label < 0 or (count is not None and label >= count):
        raise ModelError(f"{file.path}: it answers class {label}; expected 0 to {(count or 2**31) - 1}")
    return label


def _classes_in_graph(file: TfliteFile) -> int:
    """N of a detector that lost its card: the constant that the graph answers for a flagged image."""
    for tensor in file.interpreter.get_tensor_details():
        if tensor["name"].split("/")[-1].split(";")[0] == _BACKDOOR_LABEL and tensor["dtype"] == np.int32:
            return int(file.interpreter.get_tensor(tensor["index"]).reshape(-1)[0])
    raise ModelError(
        f"{file.path}: it has no card that says how many classes there are; expected a file of this exporter"
    )


def _stricter(file: TfliteFile, built_in: float | None, threshold: float) -> float:
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold}: not a suspicion; expected a number in [0, 1]")
    if built_in is not None and np.float32(threshold) > np.float32(built_in):
        raise ValueError(
            f"threshold {threshold}: looser than {built_in:.6g}, which {file.path} was built with, and what its graph"
            f" flags has no other label any more; expected at most {built_in:.6g}, or export the detector again"
        )
    return threshold


def _check_outputs(file: TfliteFile, expected: set[str]) -> None:
    if not file.outputs >= expected:
        raise ModelError(f"{file.path}: its outputs are {sorted(file.outputs)}; expected {sorted(expected)}")
