"""Runs a TFLite file as a device would, in a process of its own.

tflite_runtime can't be loaded into a process that has TensorFlow.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import goodnet
from goodnet.data.errors import InputError


class PixelFile:
    """Images on their way to the device's process: written as they come, never all in memory."""

    def __init__(self, image_shape: tuple[int, ...]) -> None:
        """Opens an empty file for images of one shape, (H, W, C)."""
        self._image_shape = tuple(image_shape)
        self._folder = tempfile.TemporaryDirectory(prefix="device")
        self._path = os.path.join(self._folder.name, "pixels")
        self._file = open(self._path, "wb")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> "PixelFile":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()
        self._folder.cleanup()

    def write(self, images: np.ndarray) -> None:
        """Appends images uint8 [n, H, W, C]; an InputError says that they are not."""
        if images.dtype != np.uint8 or images.shape[1:] != self._image_shape:
            raise InputError(
                f"images are {images.dtype} {images.shape}; expected uint8 {(len(images), *self._image_shape)}"
            )
        self._file.write(np.ascontiguousarray(images).data)

    def answers(
        self, tflite_path: str, runtime: str | None = None, allow_missing_card: bool = False
    ) -> dict[str, np.ndarray]:
        """Runs every image that was written through a file.

        Args:
            tflite_path: the file.
            runtime: one of `export.runtime.RUNTIMES`; None for the first that is installed.
            allow_missing_card: run a file without a card too; for what the exporter itself has just made.

        Returns:
            For each output an array [n, ...]; `seconds` that it took, a scalar; `runtime`, its name.

        Raises:
            InputError: one line: no image was written, or the file can't be run.
        """
        self._file.flush()
        if self._file.tell() < math.prod(self._image_shape):
            raise InputError(f"{tflite_path}: no images to run it on; expected at least one")
        answers = os.path.join(self._folder.name, "answers.npz")
        card = "" if allow_missing_card else "card"
        _run(tflite_path, "goodnet.export.on_device", tflite_path, self._path, answers, runtime or "", card)
        with np.load(answers) as found:
            return dict(found)

    def milliseconds(self, tflite_paths: Sequence[str], runtime: str | None = None) -> list[float]:
        """Times files on the images that were written, by turns (`export.interleaved`); errors as for `answers`."""
        self._file.flush()
        times = os.path.join(self._folder.name, "times.json")
        where = ", ".join(tflite_paths)
        _run(where, "goodnet.export.interleaved", self._path, times, runtime or "", *tflite_paths)
        with open(times, encoding="utf-8") as found:
            return json.load(found)


def device_answers(
    tflite: bytes, images: Iterable[np.ndarray], image_shape: tuple[int, ...], runtime: str | None = None
) -> dict[str, np.ndarray]:
    """Runs images, uint8 [H, W, C] each, through a TFLite file's contents; otherwise as `PixelFile.answers`."""
    with PixelFile(image_shape) as pixels, tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(tflite)
        file.flush()
        for image in images:
            pixels.write(image[np.newaxis])
        return pixels.answers(file.name, runtime, allow_missing_card=True)


def _run(where: str, module: str, *arguments: str) -> None:
    root = str(Path(goodnet.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # -P: a folder that happens to be called `goodnet` where the user stands is not this package.
    command = [sys.executable, "-P", "-m", module, *arguments]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError(f"{where}: the TFLite runtime did not run it: {lines[-1]}")
