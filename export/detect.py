r"""Judges images with a converted detector, where TensorFlow is not installed.

    python -m export.detect --model=detector.tflite photo.png folder/ test.h5
    find . -name '*.png' | python -m export.detect --model=detector.tflite -
    python -m export.detect --model=detector.tflite --watch=spool
    ffmpeg -i a.mp4 -f rawvideo -pix_fmt rgb24 - | python -m export.detect --model=detector.tflite --raw=55x47x3 -

One line an image, separated by tabs: path, label or `backdoor`, claimed, suspicion. With a plain classifier: path,
label, confidence. An image that can't be judged is one line on stderr, and in JSON also a record with `error`; the
others are still judged. Whatever in a path or a name is not printable is written as in Python, \n, \xff or \u202e, and
a backslash as two; JSON keeps it whole.
"""

import goodnet.export.own_modules_first  # noqa: F401

# isort: split
import argparse
import contextlib
import errno
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from goodnet.export.answers import Classifier, Detection, Detector, open_tflite
from goodnet.export.detect_inputs import given_images, raw_shape
from goodnet.export.printable import escaped
from goodnet.export.reading import ImageReader, NamedImage, Unreadable
from goodnet.export.runtime import ModelError

_EXIT_STATUSES = """exit status:
  0  every image was judged, whatever the verdict
  1  at least one image could not be judged (one whose suspicion is no number is called a backdoor, and counts), or the
     answers could not be written
  2  the command line was wrong
  3  the model could not be opened, or failed on an image; or no runtime is installed"""
_BAD_IMAGE, _BAD_COMMAND, _BAD_MODEL = 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: of the command line, without the program's name; None for the process's own.

    Returns:
        The exit status.
    """
    _open_closed_streams()
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.inputs and options.watch is None:
        parser.error("no images; expected IMAGE or --watch=FOLDER")
    if options.watch is not None and not os.path.isdir(options.watch):
        parser.error(f"--watch={options.watch}: no folder")
    # What is not UTF-8 in a path comes in as it is. It goes out escaped, as does what the terminal has no letter for.
    if sys.stdin is not None:
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is None:
        _complain("standard output is closed; expected somewhere to write the answers to")
        return 1
    try:
        model = open_tflite(
            options.model, options.threshold, options.threads, allow_missing_card=options.allow_missing_card
        )
    except (ImportError, ModelError) as error:
        return _refused(options, str(error), _BAD_MODEL)
    except ValueError as error:
        return _refused(options, str(error), _BAD_COMMAND)
    try:
        status, seconds = _judge_all(model, options)
        if options.benchmark:
            _complain(_speed(seconds, model.file.runtime, options.threads))
        return status
    except _UnwrittenError as error:
        # Keep Python from flushing into the closed pipe, or the full disk, at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Whoever read the answers may have seen enough.
        if error.reason.errno != errno.EPIPE:
            _complain(f"standard output: {error.reason.strerror}; the last answers are lost")
        return 1
    except OSError as error:
        _complain(f"standard input: {error.strerror or error}; expected paths, one a line")
        return 1
    except KeyboardInterrupt:
        return 130


class _UnwrittenError(Exception):
    """An answer could not be written to standard output; `reason` is what the system says."""

    def __init__(self, reason: OSError):
        super().__init__(reason)
        self.reason = reason


def _answer(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError as error:
        raise _UnwrittenError(error) from error


def _refused(options: argparse.Namespace, reason: str, status: int) -> int:
    """Says why nothing is judged, in JSON also as a record; returns the status."""
    _complain(reason)
    if options.format == "json":
        with contextlib.suppress(_UnwrittenError):
            _answer(json.dumps({"model": options.model, "error": reason}))
    return status


def _speed(seconds: Sequence[float], runtime: str, threads: int) -> str:
    """What judging took, an image at a time, without reading the images; and the process's peak of memory."""
    if not seconds:
        return "benchmark: no image was judged"
    ordered = sorted(seconds)
    median, slow = (1000 * ordered[round(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    return (
        f"benchmark: {len(ordered)} images, {median:.3f} ms an image in the median, {slow:.3f} ms at the 99th"
        f" percentile, {len(ordered) / sum(ordered):.1f} a second; {_peak_memory()}; {runtime}, {threads} threads"
    )


def _peak_memory() -> str:
    """Of this process alone; what `getrusage` says on Linux counts the one that started it, too."""
    try:
        with open("/proc/self/status") as file:
            peak = next(int(line.split()[1]) / 2**10 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        try:
            import resource
        except ImportError:  # not on Windows
            return "peak of memory not known"
        unit = 2**20 if sys.platform == "darwin" else 2**10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return f"at most {peak:.0f} MiB of memory"


def _open_closed_streams() -> None:
    """Gives the numbers of closed standard streams to the null device, so that no file that is opened gets them."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _complain(line: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"detect: {escaped(line)}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=os.path.basename(sys.argv[0]).replace("detect.py", "python -m export.detect"),
        description="Judges images with a converted detector. Prints a line an image, separated by tabs: path, label or"
        " `backdoor`, class claimed by the BadNet, suspicion in [0, 1].",
        epilog=_EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="the .tflite file of a detector, or of a plain classifier")
    parser.add_argument(
        "--format", choices=("tsv", "json"), default="tsv", help="json: one object a line (default: tsv)"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="flag an image above this suspicion; at most the file's own (default: the file's)",
    )
    parser.add_argument("--threads", type=int, default=1, help="that the runtime may use, up to 256 (default: 1)")
    parser.add_argument(
        "--allow_missing_card",
        action="store_true",
        help="run a file without the exporter's card too, though nothing shows that it is whole and unchanged",
    )
    parser.add_argument(
        "--resize", action="store_true", help="scale images of another size; without it they can't be judged"
    )
    parser.add_argument(
        "--exif_orientation", action="store_true", help="turn pictures as their EXIF data says, as cameras store them"
    )
    parser.add_argument("--array", metavar="NAME", help="dataset of the images in HDF5 sets (default: data, images, x)")
    parser.add_argument(
        "--raw",
        type=raw_shape,
        metavar="HxWxC",
        help="inputs are streams of raw frames of this shape, 8 bits a channel; - is standard input itself",
    )
    parser.add_argument(
        "--watch",
        metavar="FOLDER",
        help="judge the image files in a folder, and those that come into it, once each, until SIGINT or SIGTERM",
    )
    parser.add_argument(
        "--benchmark", action="store_true", help="say at the end, on stderr, what judging an image took"
    )
    parser.add_argument("--names", action="store_true", help="print class names, where the file has them, for numbers")
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="IMAGE",
        help="an image file, a folder of them (searched to its depths), an HDF5 or .npy file with images, or - for a"
        " stream of such paths on standard input",
    )
    return parser


def _judge_all(model: Detector | Classifier, options: argparse.Namespace) -> tuple[int, list[float]]:
    """Prints an answer for each image; returns the exit status, and the seconds that each image took."""
    status, seconds = 0, []
    reader = ImageReader(model.file.image_shape, options.resize, options.exif_orientation, options.array)
    for image in given_images(reader, options.inputs, options.raw, options.watch):
        try:
            if isinstance(image, Unreadable):
                raise ValueError(image.reason)
            start = time.perf_counter()
            found = _judged(model, image)
            if options.benchmark:
                seconds.append(time.perf_counter() - start)
        except ValueError as error:
            _complain(f"{image.path}: {error}")
            if options.format == "json":
                _answer(json.dumps({"path": image.path, "error": str(error)}))
            status = max(status, _BAD_MODEL if isinstance(error, ModelError) else _BAD_IMAGE)
            continue
        _answer(_line(image.path, found, options))
        if found.get("suspicion", 0.0) is None:
            _complain(f"{image.path}: its suspicion is no number; it is called a backdoor")
            status = max(status, _BAD_IMAGE)
    return status, seconds


def _judged(model: Detector | Classifier, image: NamedImage) -> dict[str, Any]:
    """What a model says of an image, as JSON has it."""
    names = model.file.card.class_names if model.file.card else None
    if isinstance(model, Detector):
        return _detection(model.detect(image.pixels), names)
    said = model.classify(image.pixels)
    return {"label": said.label, **_named(names, label_name=said.label), "confidence": round(said.confidence, 6)}


def _line(path: str, found: dict[str, Any], options: argparse.Namespace) -> str:
    if options.format == "json":
        return json.dumps({"path": path, **found}, allow_nan=False)
    if found.get("backdoor"):
        found = {**found, "label": "backdoor", "label_name": "backdoor"}
    shown = ("label", "claimed", "suspicion", "confidence")
    fields = [
        found.get(f"{name}_name", found[name]) if options.names else found[name] for name in shown if name in found
    ]
    return "\t".join([escaped(path), *map(_cell, fields)])


def _cell(value: Any) -> str:
    if value is None:
        return "nan"
    return f"{value:.6f}" if isinstance(value, float) else escaped(str(value))


def _detection(said: Detection, names: tuple[str, ...] | None) -> dict[str, Any]:
    return {
        "label": said.label,
        **({} if said.is_backdoor else _named(names, label_name=said.label)),
        "backdoor": said.is_backdoor,
        "claimed": said.claimed,
        **_named(names, claimed_name=said.claimed),
        "suspicion": round(said.suspicion, 6) if math.isfinite(said.suspicion) else None,
    }


def _named(names: tuple[str, ...] | None, **classes: int) -> dict[str, str]:
    return {key: names[label] for key, label in classes.items()} if names else {}


if __name__ == "__main__":
    # Under `bazel run` paths mean the folder in which it was typed.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", os.curdir))
    sys.exit(main())
