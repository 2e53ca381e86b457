"""Exports a file only if it answers as the Keras model does; else the next higher precision, or an error.

Labels are compared on clean images and on stamped ones (`parity_images`), separately. Of a detector, the images that
Keras flags are compared too: the file must flag them. A precision fails where the exact 95 % interval of one of these
shares lies below the least share: so many disagreements are no accident of few images.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goodnet.data.errors import InputError
from goodnet.export.parity import Parity, milliseconds
from goodnet.export.precisions import CANDIDATES, FASTEST
from goodnet.pipeline.measuring.exact import exact_interval
from goodnet.pipeline.measuring.rates import Rate
from goodnet.pipeline.run.progress import log

# What is tried instead, in this order: each costs more on the device and rounds less.
_FALL_BACK = ("float16", "float32")


@dataclass(frozen=True)
class Candidate:
    """How a model becomes a file, and how the two are compared.

    Attributes:
        convert: the contents of a TFLite file in a precision.
        compare: the parity of a file, by its path, on batches of images.
        clean: makes batches of clean images.
        stamped: makes batches of stamped images.
    """

    convert: Callable[[str], bytes]
    compare: Callable[[str, Iterable[np.ndarray]], Parity]
    clean: Callable[[], Iterable[np.ndarray]]
    stamped: Callable[[], Iterable[np.ndarray]]


@dataclass(frozen=True)
class Export:
    """A file that answers as its Keras model.

    Attributes:
        tflite: its contents, with no card yet.
        precision: of them.
        clean: the parity on clean images.
        stamped: that on stamped ones.
        passed_over: why other precisions did not do, a line each: they do not answer so, or were slower.
    """

    tflite: bytes
    precision: str
    clean: Parity
    stamped: Parity
    passed_over: tuple[str, ...] = ()


def export_faithfully(
    candidate: Candidate,
    precision: str,
    min_parity: float,
    falls_back: bool,
    timed: Callable[[Sequence[str], Iterable[np.ndarray]], list[float]] = milliseconds,
) -> Export:
    """Converts a model in a precision, or the next that answers as the model does.

    Args:
        candidate: the model.
        precision: the one to try first; or `FASTEST`, for the fastest of `CANDIDATES` that answer as the model does.
        min_parity: the least share of equal answers, 0..1.
        falls_back: whether another precision will do: not if the user asked for this one.
        timed: milliseconds an image that files take, by their paths, on batches of images.

    Raises:
        InputError: no precision answers as the model does, or the one asked for does not.
    """
    if precision == FASTEST:
        return _fastest(candidate, min_parity, timed)
    refused: list[str] = []
    for tried in (precision, *(other for other in _FALL_BACK if other != precision)):
        found = _tried(candidate, tried, min_parity)
        if isinstance(found, str):
            log.warning("export: %s does not answer as the Keras model: %s", tried, found)
            refused.append(f"{tried}: {found}")
        elif tried == precision or falls_back:
            if refused:
                log.warning("export: %s is written instead of %s", tried, precision)
            return Export(*found, passed_over=tuple(refused))
        else:
            raise InputError(f"--precision={refused[0]}; expected one that answers as the Keras model, such as {tried}")
    raise InputError(
        f"no precision answers as the Keras model ({'; '.join(refused)}); expected a share of {min_parity}"
    )


def _fastest(
    candidate: Candidate, min_parity: float, timed: Callable[[Sequence[str], Iterable[np.ndarray]], list[float]]
) -> Export:
    """The fastest of the precisions that answer as the model does, on this machine."""
    passing: list[Export] = []
    refused: list[str] = []
    for precision in CANDIDATES:
        found = _tried(candidate, precision, min_parity)
        if isinstance(found, str):
            refused.append(f"{precision}: {found}")
        else:
            passing.append(Export(*found))
    if not passing:
        export = export_faithfully(candidate, "float32", min_parity, falls_back=False)
        return replace(export, passed_over=tuple(refused))
    with tempfile.TemporaryDirectory(prefix="export") as folder:
        paths = [os.path.join(folder, f"{export.precision}.tflite") for export in passing]
        for path, export in zip(paths, passing, strict=True):
            with open(path, "wb") as file:
                file.write(export.tflite)
        times = timed(paths, candidate.clean())
    ranked = sorted(zip(times, passing, strict=True), key=lambda pair: pair[0])
    chosen, fastest = ranked[0]
    slower = [
        f"{export.precision}: {taken:.3f} ms an image, {fastest.precision} {chosen:.3f}" for taken, export in ranked[1:]
    ]
    for line in (f"{fastest.precision} is written, {chosen:.3f} ms an image", *slower, *refused):
        log.info("export: %s", line)
    return replace(fastest, passed_over=(*slower, *refused))


def _tried(candidate: Candidate, precision: str, min_parity: float) -> tuple[bytes, str, Parity, Parity] | str:
    """Converts and compares; returns the file with its parities, or what is wrong with it."""
    log.info("export: converting to %s TFLite", precision)
    with tempfile.TemporaryDirectory(prefix="export") as folder:
        path = os.path.join(folder, f"{precision}.tflite")
        tflite = candidate.convert(precision)
        with open(path, "wb") as file:
            file.write(tflite)
        parities = []
        for name, batches in (("clean", candidate.clean()), ("stamped", candidate.stamped())):
            try:
                parity = candidate.compare(path, batches)
            except InputError as error:
                return str(error).removeprefix(f"{path}: ")
            log.info("export: %s, %s images: %s", precision, name, parity)
            failing = _failing(parity, min_parity, name == "stamped")
            if failing is not None:
                return f"{failing} {name} images, {100 * min_parity:g} % expected"
            parities.append(parity)
    return tflite, precision, parities[0], parities[1]


def _failing(parity: Parity, min_parity: float, flags_count: bool) -> str | None:
    """Says which share of equal answers is too small beyond doubt; None if none is.

    Clean images that are flagged lie by the threshold, which was set so: of these alone, rounding may move many.
    """
    if exact_interval(Rate(parity.same_label, parity.images))[1] < min_parity:
        return f"the same label on {parity.same_label} of {parity.images}"
    flagged = Rate(parity.same_flagged or 0, parity.flagged or 0)
    if flags_count and flagged.total and exact_interval(flagged)[1] < min_parity:
        return f"flags {flagged.count} of the {flagged.total} flagged"
    return None
