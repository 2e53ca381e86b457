"""The device side: a TFLite file with its card, run by whichever TFLite runtime is installed.

Imports NumPy, the standard library and a runtime; never TensorFlow, nor what needs it.
"""

import importlib
import math
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.export.bundle import read_card
from goodnet.export.regular_files import open_regular

# The first that is installed is used: ai-edge-litert is the maintained one, and several times faster.
RUNTIMES = ("ai_edge_litert", "tflite_runtime")

_SIGNATURE = "serving_default"
_BACKDOOR_LABEL = "backdoor_label"
_DETECTOR_OUTPUTS = {"label", "claimed", "suspicion"}
_CLASSIFIER_OUTPUTS = {"label", "confidence"}
_SCORES = "scores"
# More than any device has cores; beyond what a system can start, the runtimes end the process.
_MOST_THREADS = 256


class ModelError(ValueError):
    """A file that can't be used, or a graph that fails or answers what it may not; the message is one line."""


# The first thing that it does is to import from where this process does, and from nowhere else.
_TRIAL = """
import sys
sys.path[:] = sys.argv[3:]
import importlib
interpreter = importlib.import_module(sys.argv[1]).Interpreter(sys.argv[2])
interpreter.allocate_tensors()
interpreter.invoke()
"""


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


class TfliteFile:
    """A .tflite file that was opened, and its card. Not for several threads at once.

    Attributes:
        path: of the file.
        card: its card; None only of a file that was opened without one, as was asked for.
        image_shape: (height, width, channels) of the images it takes.
        outputs: names of its outputs.
        runtime: package that runs it, one of `RUNTIMES`.
    """

    def __init__(
        self, path: str, threads: int = 1, runtime: str | None = None, allow_missing_card: bool = False
    ) -> None:
        """Opens a file.

        Args:
            path: of the file.
            threads: that the runtime may use, 1 to 256.
            runtime: one of `RUNTIMES`; None for the first that is installed.
            allow_missing_card: open also a file without a card. Nothing then shows that the file is whole and the graph
                unchanged, and a detector's threshold is not known.

        Raises:
            ModelError: the file can't be read, is no TFLite file, lacks its card, or has no signature for one uint8
                image.
            ValueError: one line: `threads` is out of range.
            ImportError: no TFLite runtime is installed.
        """
        self.path = path
        if not 1 <= threads <= _MOST_THREADS:
            raise ValueError(f"{threads} threads; expected 1 to {_MOST_THREADS}")
        self.runtime, interpreter_class = _find_interpreter(runtime)
        try:
            _check_root(path)
            self.card = read_card(path)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror or error}; expected a .tflite file") from error
        except ValueError as error:
            raise ModelError(str(error)) from error
        if self.card is None:
            if not allow_missing_card:
                raise ModelError(
                    f"{path}: it has no card (the exporter writes one at the end of the file), or its end is cut off;"
                    " expected a file as the exporter wrote it"
                )
            if self.runtime == "tflite_runtime":
                _check_loads(path, self.runtime)
        try:
            self.interpreter = interpreter_class(model_path=path, num_threads=threads)
            self.interpreter.allocate_tensors()
            signature = self.interpreter.get_signature_runner(_SIGNATURE)
            inputs, outputs = signature.get_input_details(), signature.get_output_details()
            first = (*self.interpreter.get_input_details(), *self.interpreter.get_output_details())
        except Exception as error:  # Runtimes raise whatever they make of a file.
            raise ModelError(
                f"{path}: {self.runtime} can't run it ({_first_line(error)}); expected a file of this exporter"
            ) from error
        shape = tuple(int(extent) for extent in inputs["image"]["shape"]) if set(inputs) == {"image"} else ()
        if len(shape) != 4 or shape[0] != 1 or inputs["image"]["dtype"] != np.uint8:
            raise ModelError(f"{path}: its inputs are {sorted(inputs)}; expected `image`, uint8 [1, H, W, C]")
        # A signature runner allocates anew for each image; tensors are set and read directly, which needs them here.
        self._image = inputs["image"]["index"]
        self._answers = {name: details["index"] for name, details in outputs.items()}
        if not {self._image, *self._answers.values()} <= {details["index"] for details in first}:
            raise ModelError(f"{path}: `{_SIGNATURE}` is not of its first graph; expected a file of this exporter")
        self.outputs = frozenset(outputs)
        self.image_shape = (shape[1], shape[2], shape[3])
        if self.card and self.card.image_shape != self.image_shape:
            raise ModelError(
                f"{path}: its card says images {self.card.image_shape}, its graph takes {self.image_shape}"
            )

    @property
    def is_detector(self) -> bool:
        """Whether it answers `claimed` and `suspicion` beside `label`."""
        return self.outputs >= _DETECTOR_OUTPUTS

    @property
    def is_classifier(self) -> bool:
        """Whether it answers `label` and `confidence`."""
        return self.outputs >= _CLASSIFIER_OUTPUTS

    def answer(self, image: np.ndarray) -> dict[str, Any]:
        """The one value of each output but `scores`; otherwise as `run`."""
        answers = {name: value for name, value in self.run(image).items() if name != _SCORES}
        if any(value.size != 1 for value in answers.values()):
            sizes = ", ".join(f"{name} {list(value.shape)}" for name, value in sorted(answers.items()))
            raise ModelError(f"{self.path}: it answers {sizes}; expected one value each")
        return {name: value.reshape(-1)[0] for name, value in answers.items()}

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the graph.

        Args:
            image: uint8 [H, W, C], raw pixels, RGB or grey.

        Returns:
            Each output, [1, ...].

        Raises:
            ModelError: the runtime fails on it.
            ValueError: one line: the image has another shape or dtype.
        """
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.shape != self.image_shape:
            wanted = " x ".join(map(str, self.image_shape))
            raise ValueError(f"image is {image.dtype} {' x '.join(map(str, image.shape))}; expected uint8 {wanted}")
        try:
            self.interpreter.set_tensor(self._image, image[np.newaxis])
            self.interpreter.invoke()
            return {name: self.interpreter.get_tensor(place) for name, place in self._answers.items()}
        except Exception as error:  # Runtimes raise whatever they make of a graph.
            raise ModelError(f"{self.path}: {self.runtime} failed on an image ({_first_line(error)})") from error


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
        if not file.is_detector:
            raise ModelError(
                f"{file.path}: its outputs are {sorted(file.outputs)}; expected {sorted(_DETECTOR_OUTPUTS)}"
            )
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
        if not file.is_classifier:
            raise ModelError(
                f"{file.path}: its outputs are {sorted(file.outputs)}; expected {sorted(_CLASSIFIER_OUTPUTS)}"
            )
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
    if not file.is_classifier:
        return Detector.of(file, threshold)
    if threshold is not None:
        raise ValueError(
            f"{path}: a plain classifier, which has no suspicion; expected a detector to give a threshold to"
        )
    return Classifier.of(file)


def _find_interpreter(runtime: str | None) -> tuple[str, Any]:
    for name in RUNTIMES if runtime is None else (runtime,):
        try:
            return name, importlib.import_module(f"{name}.interpreter").Interpreter
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != name:
                raise
    wanted = " or ".join(RUNTIMES) if runtime is None else runtime
    raise ImportError(f"no TFLite runtime: expected {wanted} (pip install ai-edge-litert, or tflite-runtime)")


def _check_root(path: str) -> None:
    """Refuses what is no TFLite file, and one whose root table lies outside of it: a runtime may crash on that."""
    try:
        opened = open_regular(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with opened as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(8)
        if head[4:] != b"TFL3":
            raise ValueError(f"{path}: not a TFLite file; expected one that the exporter wrote")
        (table,) = struct.unpack("<I", head[:4])
        file.seek(table)
        to_vtable = file.read(4)
        vtable = table - struct.unpack("<i", to_vtable)[0] if len(to_vtable) == 4 else -1
        file.seek(max(vtable, 0))
        sizes = file.read(4)
    if vtable >= 0 and len(sizes) == 4:
        vtable_size, table_size = struct.unpack("<HH", sizes)
        if vtable_size >= 4 and vtable + vtable_size <= size and table + table_size <= size:
            return
    raise ValueError(f"{path}: a damaged TFLite file; expected one that the exporter wrote")


def _check_loads(path: str, runtime: str) -> None:
    """Runs a file that nothing vouches for in a process of its own: tflite_runtime verifies nothing, and may crash."""
    command = [sys.executable, "-c", _TRIAL, f"{runtime}.interpreter", path, *sys.path]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode < 0:
        raise ModelError(f"{path}: {runtime} crashes on it; the file is damaged, expected one of this exporter")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]


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
