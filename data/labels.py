"""Labels as they come from a file or a caller, checked and brought to int64 [N]."""

from __future__ import annotations

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.stored_array import ArrayInMemory, StoredArray, blocks
from goodnet.export.pixel_range import shown_shape

# A label is an index into the classes, and arrays with one entry a class are made from it: an absurd one is refused
# here rather than becoming an allocation later.
MAX_LABEL = 1_000_000


def checked_labels(raw: np.ndarray, images: int, where: str) -> np.ndarray:
    """The labels of an array in memory; otherwise as `read_labels`."""
    return read_labels(ArrayInMemory(raw, where), images)


def read_labels(array: StoredArray, images: int) -> np.ndarray:
    """The labels as int64.

    Args:
        array: class numbers [N], [N, 1] or [1, N], integers, or floats that are whole numbers; or one-hot [N, K], a 1
            in each row and else 0, booleans too.
        images: N, the number of images.

    Returns:
        int64 [N], each in 0..MAX_LABEL.

    Raises:
        InputError: when shape or type is wrong, a label is negative, not finite, not whole or too large, or a row is
            not one-hot.
    """
    shape, where = tuple(array.shape), array.where
    is_one_hot = _is_one_hot(shape, images, where)
    if array.dtype.kind not in ("uifb" if is_one_hot else "uif"):
        raise InputError(f"{where}: the labels are of type {str(array.dtype)[:60]}; expected whole numbers")
    if is_one_hot:
        parts = [_of_one_hot(rows, first, where) for first, rows in blocks(array)]
    else:
        # All of a [1, N] is one row, and no larger than its labels.
        parts = [_of_numbers(np.reshape(rows, -1), first, where) for first, rows in blocks(array)]
    return np.concatenate(parts)


def _is_one_hot(shape: tuple[int, ...], images: int, where: str) -> bool:
    """Whether labels of this shape are one-hot; a shape that fits neither kind is refused."""
    if len(shape) not in (1, 2):
        raise InputError(
            f"{where}: the shape is {shown_shape(shape)}; expected one class number for each image, [{images}]"
        )
    is_row = len(shape) == 2 and shape[0] == 1 and shape[1] == images
    if shape[0] != images and not is_row:
        raise InputError(f"{where}: {shape[0]} labels for {images} images; expected as many labels as images")
    if len(shape) == 1 or is_row or shape[1] == 1:
        return False
    if not 2 <= shape[1] <= MAX_LABEL:
        raise InputError(
            f"{where}: the shape is {shown_shape(shape)}; expected one class number for each image, [{images}]"
        )
    return True


def _of_one_hot(rows: np.ndarray, first: int, where: str) -> np.ndarray:
    ones = rows == 1
    bad = ~(ones | (rows == 0)).all(axis=1) | (ones.sum(axis=1) != 1)
    if bad.any():
        raise InputError(
            f"{where}: {rows.shape[1]} numbers an image, which would be one-hot labels, but those of image "
            f"number {first + int(np.argmax(bad))} are not; expected one 1 and else 0, or one class number an image"
        )
    return ones.argmax(axis=1).astype(np.int64)


def _of_numbers(flat: np.ndarray, first: int, where: str) -> np.ndarray:
    bad = ~((flat >= 0) & (flat <= MAX_LABEL))  # NaN is bad too
    if flat.dtype.kind == "f":
        bad |= flat != np.floor(flat)
    if bad.any():
        place = int(np.argmax(bad))
        raise InputError(
            f"{where}: label number {first + place} is {flat[place]}; expected whole numbers from 0 to {MAX_LABEL}"
        )
    return flat.astype(np.int64)
