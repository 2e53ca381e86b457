"""Decides which numbers of an image set are pixels 0..255, in the pipeline as on the device. NumPy only."""

import math

import numpy as np

from goodnet.export.errors import InputError

MAX_IMAGES = 2**24
MAX_SIDE = 8192
# What is read at once of a set, in bytes; at least one image, of no more than so many bytes.
READ_BYTES = 2**24
_MAX_IMAGE_BYTES = 2**28
_EXPECTED = "uint8, or floats from 0 to 255 or from 0 to 1"
# Of a grey level.
_ROOM = 0.5
# Resampling overshoots the range of an image by less than that range: larger floats are not of 0..1.
_LARGEST_OVERSHOT = 2.0


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


def image_layout(shape: tuple[int, ...], where: str) -> tuple[tuple[int, int, int, int], bool]:
    """How images lie in an array, where its shape leaves no doubt.

    Args:
        shape: of the array: N x H x W (grey), N x H x W x C or N x C x H x W, C being 1 or 3.
        where: file and field, for the message.

    Returns:
        (N, H, W, C), and whether channels come first in the array.

    Raises:
        InputError: it is none of these, it could be two of them, or it is absurdly large.
    """
    expected = "expected N x C x H x W or N x H x W x C with 1 or 3 channels, or N x H x W (grey)"
    if len(shape) == 3:
        shape = (*shape, 1)
        channels_first = False
    elif len(shape) != 4:
        raise InputError(f"{where}: the shape is {shown_shape(shape)}; {expected}")
    else:
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        if first and last and shape[1:] != (1, 1, 1):
            raise InputError(
                f"{where}: the shape is {shown_shape(shape)}, and both its second and its last axis could be channels; "
                "expected sides of other than 1 or 3 pixels"
            )
        if not first and not last:
            raise InputError(f"{where}: the shape is {shown_shape(shape)}; {expected}")
        channels_first = first and not last
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
        raise InputError(f"{where}: pixels of type {str(dtype)[:60]}; expected {_EXPECTED}")


def to_uint8(pixels: np.ndarray, scale: float = 255.0) -> np.ndarray:
    """Rounds checked pixels to uint8; uint8 passes through.

    Args:
        pixels: numbers from 0 to `scale`.
        scale: what white is, as `PixelRange.scale` says.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if scale != 255.0:
        # Half precision could not hold the product to half a grey level.
        pixels = pixels.astype(np.float32) * np.float32(255.0 / scale)
    if pixels.dtype.kind == "f":
        pixels = np.rint(pixels)
    return np.clip(pixels, 0, 255).astype(np.uint8)


class PixelRange:
    """Finds out, batch by batch, whether pixels that are not uint8 lie in 0..255 or in 0..1.

    Only the whole set tells the scale (a dark image alone may lie in 0..1), so a reader makes one streaming pass when
    it opens a file. uint8 needs no such pass.
    """

    def __init__(self, where: str, dtype: np.dtype):
        """`where` names file and field for the message; `dtype` is the type of the pixels in the file."""
        self._where = where
        self._is_float = dtype.kind == "f"
        self._smallest = np.inf
        self._largest = -np.inf
        self._has_fractions = False

    def add(self, pixels: np.ndarray) -> None:
        """Takes note of a batch.

        Raises:
            InputError: when a pixel is NaN, infinite or outside 0..255.
        """
        if self._is_float and not np.isfinite(pixels).all():
            raise InputError(f"{self._where}: pixels are NaN or infinite; expected {_EXPECTED}")
        self._smallest = min(self._smallest, float(pixels.min()))
        self._largest = max(self._largest, float(pixels.max()))
        # Half a grey level of room: a resized image may overshoot by a rounding error.
        if self._smallest < -_ROOM or self._largest > 255 + _ROOM:
            raise InputError(
                f"{self._where}: pixels from {self._smallest:g} to {self._largest:g}; expected {_EXPECTED}"
            )
        if self._is_float and not self._has_fractions and self._largest <= 1 + _ROOM / 255:
            self._has_fractions = bool(((pixels > 0) & (pixels < 1)).any())

    def scale(self) -> float:
        """What white is in the whole: 255, or 1 where floats all lie in 0..1 and not all of them are 0 or 1.

        Raises:
            InputError: when floats are so small that neither is certain.
        """
        if not self._is_float or self._largest > _LARGEST_OVERSHOT:
            return 255.0
        if self._largest <= 1 + _ROOM / 255 and self._smallest >= -_ROOM / 255 and self._has_fractions:
            return 1.0
        raise InputError(
            f"{self._where}: floats from {self._smallest:g} to {self._largest:g}, neither clearly of 0..1 nor "
            "of 0..255; expected uint8, or floats that use the range (multiply by 255 what is in 0..1)"
        )
