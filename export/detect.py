"""Judges images with a converted detector, where TensorFlow is not installed.

    python -m export.detect --model=detector.tflite photo.png folder/ test.h5
    find . -name '*.png' | python -m export.detect --model=detector.tflite -

One line an image, separated by tabs: path, label or `backdoor`, claimed, suspicion. With a plain classifier: path,
label, confidence. An image that can't be judged is one line on stderr, and the others are still judged.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from export.reading import NamedImage, Unreadable, read_images
from export.runtime import Classifier, Detection, Detector, open_tflite

_EXIT_STATUSES = """exit status:
  0  every image was judged, whatever the verdict
  1  the model could not be opened, or at least one image could not be judged
  2  the command line was wrong"""

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: of the command line, without the program's name; None for the process's own.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    # Paths are bytes to the system; whatever they are, they come out as they went in.
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    try:
        model = open_tflite(options.model, options.threshold, options.threads)
    except (ImportError, ValueError) as error:
        print(f"detect: {error}", file=sys.stderr)
        return 1
    try:
        return _judge_all(model, options)
    except BrokenPipeError:
        # Whoever read the answers has seen enough; keep Python from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.detect",
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
    parser.add_argument("--threads", type=int, default=1, help="that the runtime may use (default: 1)")
    parser.add_argument(
        "--resize", action="store_true", help="scale images of another size; without it they can't be judged"
    )
    parser.add_argument("--names", action="store_true", help="print class names, where the file has them, for numbers")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IMAGE",
        help="an image file, a folder of them (searched to its depths), an HDF5 set with images in `data`, or - for a"
        " stream of such paths on standard input",
    )
    return parser


def _judge_all(model: Detector | Classifier, options: argparse.Namespace) -> int:
    status = 0
    for path in _paths(options.inputs, sys.stdin):
        for image in read_images(path, model.file.image_shape, resize=options.resize):
            try:
                if isinstance(image, Unreadable):
                    raise ValueError(image.reason)
                line = _line(model, image, options)
            except ValueError as error:
                print(f"detect: {_field(image.path)}: {_field(str(error))}", file=sys.stderr, flush=True)
                status = 1
            else:
                print(line, flush=True)
    return status


def _paths(inputs: Sequence[str], stream: TextIO) -> Iterator[str]:
    for given in inputs:
        if given != "-":
            yield given
            continue
        for line in stream:
            if path := line.rstrip("\r\n"):
                yield path


def _line(model: Detector | Classifier, image: NamedImage, options: argparse.Namespace) -> str:
    names = model.file.card.class_names if model.file.card else None
    if isinstance(model, Detector):
        found = _detection(model.detect(image.pixels), names)
    else:
        said = model.classify(image.pixels)
        found = {"label": said.label, **_named(names, label_name=said.label), "confidence": round(said.confidence, 6)}
    if options.format == "json":
        return json.dumps({"path": image.path, **found})
    if found.get("backdoor"):
        found["label"] = found["label_name"] = "backdoor"
    shown = ("label", "claimed", "suspicion", "confidence")
    fields = [
        found.get(f"{name}_name", found[name]) if options.names else found[name] for name in shown if name in found
    ]
    return "\t".join([_field(image.path), *(f"{f:.6f}" if isinstance(f, float) else _field(str(f)) for f in fields)])


def _detection(said: Detection, names: tuple[str, ...] | None) -> dict[str, Any]:
    return {
        "label": said.label,
        **({} if said.is_backdoor else _named(names, label_name=said.label)),
        "backdoor": said.is_backdoor,
        "claimed": said.claimed,
        **_named(names, claimed_name=said.claimed),
        "suspicion": round(said.suspicion, 6),
    }


def _named(names: tuple[str, ...] | None, **classes: int) -> dict[str, str]:
    return {key: names[label] for key, label in classes.items()} if names else {}


def _field(text: str) -> str:
    """A text that breaks neither lines nor columns: control characters are written as in C."""
    return text.translate(_CONTROL)


if __name__ == "__main__":
    # Under `bazel run` paths mean the folder in which it was typed.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", os.curdir))
    sys.exit(main())
