"""The images that a command line names: files, streams on standard input, a folder that is watched."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from goodnet.export.raw_frames import parse_shape
from goodnet.export.reading import ImageReader, NamedImage, Unreadable
from goodnet.export.regular_files import open_regular

# Between two looks at a watched folder.
_PAUSE_SECONDS = 0.5


def given_images(
    reader: ImageReader, inputs: Sequence[str], raw: tuple[int, int, int] | None, watched: str | None
) -> Iterator[NamedImage | Unreadable]:
    """Reads all that a command line names, in its order, and then what is in a watched folder and comes into it.

    Args:
        reader: of images.
        inputs: paths; - is a stream of paths on standard input.
        raw: (height, width, channels) of frames: inputs are then streams of raw pixels, - being standard input itself.
        watched: a folder to watch until SIGINT or SIGTERM, which from then on mean this alone; or None.
    """
    for given in inputs:
        if raw is not None:
            yield from _frames(reader, given, raw)
        else:
            for path in _lines(sys.stdin) if given == "-" else (given,):
                yield from reader.read(path)
    if watched is not None:
        stopped = _stopping()

        def pause() -> bool:
            time.sleep(_PAUSE_SECONDS)
            return not stopped()

        for image in reader.watch(watched, pause):
            yield image
            if stopped():
                return


def raw_shape(text: str) -> tuple[int, int, int]:
    """The value of --raw."""
    try:
        return parse_shape(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _frames(reader: ImageReader, path: str, shape: tuple[int, int, int]) -> Iterator[NamedImage | Unreadable]:
    if path == "-":
        if sys.stdin is not None:
            yield from reader.read_raw(sys.stdin.buffer, path, shape)
        return
    try:
        with open_regular(path) as file:
            yield from reader.read_raw(file, path, shape)
    except (OSError, ValueError) as error:
        yield Unreadable(path, getattr(error, "strerror", None) or str(error))


def _lines(stream: TextIO | None) -> Iterator[str]:
    for line in stream or ():
        if path := line.rstrip("\r\n"):
            yield path


def _stopping() -> Callable[[], bool]:
    """From now on SIGINT and SIGTERM are requests to stop; the function says whether one came."""
    asked: list[int] = []
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: asked.append(number))
    return lambda: bool(asked)
