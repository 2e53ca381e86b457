"""Images that are stored as one array of numbers: uint8, read from disk when asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goodnet.data.progress import log
from goodnet.data.stored_array import StoredArray, blocks
from goodnet.export.pixel_range import PixelRange, check_pixel_dtype, image_layout, images_at_once, to_uint8


class StoredImages:
    """Images of an array of N x H x W x C, N x C x H x W or N x H x W."""

    def __init__(self, array: StoredArray, shape: tuple[int, int, int, int] | None = None):
        """Checks what the array holds; pixels that are not uint8 are gone through once.

        Args:
            array: the images.
            shape: N, H, W, C of an array that lies in that order; None to tell by the array's own shape.

        Raises:
            InputError: it does not hold images, or not on a scale of 0..255 or 0..1.
        """
        self._array = array
        self._shape, self._channels_first = (shape, False) if shape else image_layout(array.shape, array.where)
        check_pixel_dtype(array.dtype, array.where)
        self._max_length = images_at_once(self._shape[1:], array.dtype, array.where)
        # To read what lies between costs less than another request, and chunks are read whole anyhow.
        self._max_gap = 1 if array.is_quick else max(8, min(array.chunk_rows, self._max_length))
        self._scale = 255.0 if array.dtype == np.uint8 else _scale(array)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return self._shape

    @property
    def is_quick(self) -> bool:
        """Whether images in any order are read about as fast as from memory."""
        return self._array.is_quick

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Reads images at `indices` (any order, repeats allowed).

        Returns:
            uint8 [n, H, W, C].

        Raises:
            InputError: when the file is damaged or gone.
        """
        unique, inverse = np.unique(indices, return_inverse=True)
        stored = np.empty((len(unique), *self._array.shape[1:]), np.uint8)
        for start, stop in _spans(unique, self._max_gap, self._max_length):
            first = int(unique[start])
            rows = self._array.rows(first, int(unique[stop - 1]) + 1)
            stored[start:stop] = to_uint8(rows[unique[start:stop] - first], self._scale)
        if self._channels_first:
            stored = stored.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(stored[inverse.reshape(-1)]).reshape(-1, *self._shape[1:])


def _scale(array: StoredArray) -> float:
    pixel_range = PixelRange(array.where, array.dtype)
    for _, rows in blocks(array):
        pixel_range.add(rows)
    scale = pixel_range.scale()
    if scale != 255.0:
        log.info("%s: floats from 0 to 1, taken times 255", array.where)
    return scale


def _spans(indices: np.ndarray, max_gap: int, max_length: int) -> Iterator[tuple[int, int]]:
    """Cuts sorted unique indices into (first, last + 1) position ranges that are each worth one contiguous read."""
    start = 0
    for position in range(1, len(indices) + 1):
        if (
            position == len(indices)
            or indices[position] - indices[position - 1] > max_gap
            or indices[position] - indices[start] >= max_length
        ):
            yield start, position
            start = position
