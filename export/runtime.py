"""The device side: a TFLite file with its card, run by whichever TFLite runtime is installed.

Imports NumPy, the standard library and a runtime; never TensorFlow, nor what needs it.
"""

import importlib
import struct
import subprocess
import sys
from typing import Any

import numpy as np

from goodnet.export.bundle import card_of, contents_of

# The first that is installed is used: ai-edge-litert is the maintained one, and several times faster.
RUNTIMES = ("ai_edge_litert", "tflite_runtime")

_SIGNATURE = "serving_default"
_SCORES = "scores"
# More than any device has cores; beyond what a system can start, the runtimes end the process.
_MOST_THREADS = 256


class ModelError(ValueError):
    """A file that can't be used, or a graph that fails or answers what it may not; the message is one line."""


# The first thing that it does is to import from where this process does, and from nowhere else.
_TRIAL = """
import sys
sys.path[:] = sys.argv[2:]
import importlib
interpreter = importlib.import_module(sys.argv[1]).Interpreter(model_content=sys.stdin.buffer.read())
interpreter.allocate_tensors()
interpreter.invoke()
"""


class TfliteFile:
    """A .tflite file that was opened, and its card. Not for several threads at once.

    The file is read once. What runs are the bytes that its card was held against, whatever becomes of the file: one
    that is overwritten in place would end a process that maps it, or change the weights that it runs.

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
            # The runtimes read weights where they lie, so the bytes stay as long as the interpreter.
            self._contents = contents_of(path)
            _check_root(self._contents, path)
            self.card = card_of(self._contents, path)
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
                _check_loads(self._contents, path, self.runtime)
        try:
            self.interpreter = interpreter_class(model_content=self._contents, num_threads=threads)
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


def _find_interpreter(runtime: str | None) -> tuple[str, Any]:
    for name in RUNTIMES if runtime is None else (runtime,):
        try:
            return name, importlib.import_module(f"{name}.interpreter").Interpreter
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != name:
                raise
    wanted = " or ".join(RUNTIMES) if runtime is None else runtime
    raise ImportError(f"no TFLite runtime: expected {wanted} (pip install ai-edge-litert, or tflite-runtime)")


def _check_root(contents: bytes, path: str) -> None:
    """Refuses what is no TFLite file, and one whose root table lies outside of it: a runtime may crash on that."""
    if contents[4:8] != b"TFL3":
        raise ValueError(f"{path}: not a TFLite file; expected one that the exporter wrote")
    size = len(contents)
    (table,) = struct.unpack_from("<I", contents)
    vtable = table - struct.unpack_from("<i", contents, table)[0] if table + 4 <= size else -1
    if 0 <= vtable <= size - 4:
        vtable_size, table_size = struct.unpack_from("<HH", contents, vtable)
        if vtable_size >= 4 and vtable + vtable_size <= size and table + table_size <= size:
            return
    raise ValueError(f"{path}: a damaged TFLite file; expected one that the exporter wrote")


def _check_loads(contents: bytes, path: str, runtime: str) -> None:
    """Runs a file that nothing vouches for in a process of its own: tflite_runtime verifies nothing, and may crash."""
    command = [sys.executable, "-c", _TRIAL, f"{runtime}.interpreter", *sys.path]
    done = subprocess.run(command, input=contents, capture_output=True, check=False)
    if done.returncode < 0:
        raise ModelError(f"{path}: {runtime} crashes on it; the file is damaged, expected one of this exporter")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]
