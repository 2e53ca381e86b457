"""Reads frames of raw pixels from a stream, as cameras and `ffmpeg -f rawvideo -pix_fmt rgb24` give them."""

import itertools
import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np


def parse_shape(text: str) -> tuple[int, int, int]:
    """(height, width, channels) of "HxWxC"; a ValueError of one line says that it is none."""
    sides = text.lower().split("x")
    if len(sides) != 3 or not all(side.isascii() and side.isdigit() for side in sides):
        raise ValueError(f"{text}: not a shape; expected HEIGHTxWIDTHxCHANNELS, such as 480x640x3")
    height, width, channels = map(int, sides)
    if not 0 < height <= 8192 or not 0 < width <= 8192 or channels not in (1, 3):
        raise ValueError(f"{text}: not a shape of frames; expected sides of 1 to 8192 and 1 or 3 channels")
    return height, width, channels


def read_frames(stream: BinaryIO, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Reads a stream to its end.

    Args:
        stream: of bytes 0..255, a frame after the other.
        shape: (height, width, channels) of each.

    Yields:
        uint8 [H, W, C] each, as soon as it is there.

    Raises:
        ValueError: one line: the stream ends within a frame.
        OSError: it can't be read.
    """
    size = math.prod(shape)
    for index in itertools.count():
        frame = stream.read(size)
        if not frame:
            return
        if len(frame) < size:
            raise ValueError(f"frame {index} ends after {len(frame)} bytes; expected {size}")
        yield np.frombuffer(frame, np.uint8).reshape(shape)
