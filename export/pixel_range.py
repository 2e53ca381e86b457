"""Decides which numbers of an image set are pixels 0..255, in the pipeline as on the device. NumPy only."""

import math

import numpy as np

from goodnet.export.errors import InputError

MAX_IMAGES = 2**24
MAX_SIDE = 8192
# What is read at once of a set, in bytes; at least one image, of no more than so many bytes.
READ_BYTES = 2**24
_MAX_IMAGE_BYTES = 2**28


def check_extents(count: int, height: int, width: int, where: str) -> None:
    """Refuses sets without images, and absurdly large ones.

    Raises:
        InputError: there are not 1 to 2**24 images, or a side is not 1 to 8192.
    """
    if not 0 < count <= MAX_IMAGES or not 0 < height <= MAX_SIDE or not 0 < width <= MAX_SIDE:
        raise InputError(
            f"{where}: {count} images of {height} x {width}; expected 1 to {MAX_IMAGES} images "
            f"with sides of 1 to {MAX_SIDE}"
        )


def hdf5_layout(shape: tuple[int, ...], where: str) -> tuple[tuple[int, int, int, int], bool]:
    """How images lie in an HDF5 set: CSAW's N x C x H x W where that would do, else N x H x W x C.

    Args:
        shape: of the data set.
        where: file and field, for the message.

    Returns:
        (N, H, W, C), and whether channels come first in the file.

    Raises:
        InputError: it is neither, or absurdly large.
    """
    expected = "expected N x C x H x W or N x H x W x C with 1 or 3 channels"
    if len(shape) != 4:
        raise InputError(f"{where}: the shape is {shown_shape(shape)}; {expected}")
    channels_first = shape[1] in (1, 3)
    if not channels_first and shape[3] not in (1, 3):
        raise InputError(f"{where}: the shape is {shown_shape(shape)}; {expected}")
    count, *rest = shape
    height, width, channels = (rest[1], rest[2], rest[0]) if channels_first else rest
    check_extents(count, height, width, where)
    return (count, height, width, channels), channels_first


def images_at_once(image_shape: tuple[int, ...], dtype: np.dtype, where: str) -> int:
    """How many images of a set are read together, at least one.

    Args:
        image_shape: of one, its axes in any order.
        dtype: of its pixels in the file.
        where: file and field, for the message.

    Raises:
        InputError: one image takes more than 256 MiB.
    """
    size = math.prod(image_shape) * dtype.itemsize
    if size > _MAX_IMAGE_BYTES:
        raise InputError(f"{where}: one image takes {size} bytes; expected at most {_MAX_IMAGE_BYTES}")
    return max(1, READ_BYTES // size)


def shown_shape(shape: tuple[int, ...]) -> str:
    """A shape for a message, short however many axes it has."""
    return str(list(shape)) if len(shape) <= 8 else f"[{', '.join(map(str, shape[:4]))}, ...] of {len(shape)} axes"


def check_pixel_dtype(dtype: np.dtype, where: str) -> None:
    """Refuses pixels that are not integers or floats.

    Raises:
        InputError: for objects, text, booleans, complex and compound types.
    """
    if dtype.kind not in "uif":
        raise InputError(f"{where}: pixels of type {str(dtype)[:60]}; expected uint8, or floats from 0 to 255")


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Rounds checked pixels (see PixelRange) to uint8; uint8 passes through."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f":
        pixels = np.rint(pixels)
    return np.clip(pixels, 0, 255).astype(np.uint8)


class PixelRange:
    """Checks, batch by batch, that pixels which are not uint8 are on the scale 0..255.

    Only the whole set tells the scale (a dark image alone may lie in 0..1), so a reader makes one streaming pass when
    it opens a file. uint8 needs no such pass.
    """

    def __init__(self, where: str, dtype: np.dtype):
        """`where` names file and field for the message; `dtype` is the type of the pixels in the file."""
        self._where = where
        self._is_float = dtype.kind == "f"
        self._smallest = np.inf
        self._largest = -np.inf

    def add(self, pixels: np.ndarray) -> None:
        """Takes note of a batch.

        Raises:
            InputError: when a pixel is NaN, infinite or outside 0..255.
        """
        if self._is_float and not np.isfinite(pixels).all():
            raise InputError(f"{self._where}: pixels are NaN or infinite; expected uint8, or floats from 0 to 255")
        self._smallest = min(self._smallest, float(pixels.min()))
        self._largest = max(self._largest, float(pixels.max()))
        # Half a grey level of room: a resized image may overshoot by a rounding error.
        if self._smallest < -0.5 or self._largest > 255.5:
            raise InputError(
                f"{self._where}: pixels from {self._smallest:g} to {self._largest:g}; "
                "expected uint8, or floats from 0 to 255"
            )

    def check(self) -> None:
        """Judges the whole.

        Raises:
            InputError: when floats all lie in 0..1, another scale than 0..255.
        """
        if self._is_float and self._largest <= 1.0:
            raise InputError(
                f"{self._where}: floats from {self._smallest:g} to {self._largest:g}, as if scaled to 0..1; "
                "expected uint8, or floats from 0 to 255 (multiply by 255)"
            )
