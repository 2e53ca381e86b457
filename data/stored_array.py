"""Arrays whose rows are read when asked for: what is larger than memory is never held as a whole."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import BinaryIO, Literal, Protocol

import numpy as np

from goodnet.data.errors import InputError
from goodnet.export.pixel_range import READ_BYTES


class StoredArray(Protocol):
    """An array that is read by ranges of its first axis.

    Attributes:
        where: file and name, for messages.
        shape: its shape, at least one axis.
        dtype: of numbers.
        chunk_rows: how many rows are stored, and therefore read, together.
        is_quick: whether rows in any order are read about as fast as from memory.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype
    chunk_rows: int
    is_quick: bool

    def rows(self, first: int, last: int) -> np.ndarray:
        """Rows `first` to `last` - 1, as they are stored.

        Raises:
            InputError: they can't be read.
        """
        ...


class ArrayInMemory:
    """A NumPy array as a stored one."""

    chunk_rows = 1
    is_quick = True

    def __init__(self, array: np.ndarray, where: str):
        """Wraps an array of at least one axis (not copied)."""
        self._array = array
        self.where, self.shape, self.dtype = where, array.shape, array.dtype

    def rows(self, first: int, last: int) -> np.ndarray:
        """As `StoredArray.rows`."""
        return self._array[first:last]


class ArrayFile:
    """Raw values in C order, somewhere in a file that stays open.

    They are read, not mapped: pages that were mapped would count as this process's memory, and a file that gets shorter
    meanwhile would end it.
    """

    chunk_rows = 1
    is_quick = True

    def __init__(self, file: BinaryIO, offset: int, shape: tuple[int, ...], dtype: np.dtype, where: str):
        """The array that begins `offset` bytes into `file`."""
        self._file, self._offset = file, offset
        self.where, self.shape, self.dtype = where, shape, dtype
        self._row_bytes = math.prod(shape[1:]) * dtype.itemsize

    def rows(self, first: int, last: int) -> np.ndarray:
        """As `StoredArray.rows`."""
        values = np.empty((last - first, *self.shape[1:]), self.dtype)
        room, filled = values.reshape(-1).view(np.uint8).data, 0
        while filled < len(room):
            place = self._offset + first * self._row_bytes + filled
            try:
                count = os.preadv(self._file.fileno(), [room[filled:]], place)
            except OSError as error:
                raise InputError(f"{self.where}: cannot be read ({os.strerror(error.errno or 0)})") from error
            if not count:
                raise InputError(f"{self.where}: the file is cut short")
            filled += count
        return values

    def mapped(self, order: Literal["C", "F"]) -> np.ndarray:
        """The values as a read-only array over the file itself.

        Raises:
            InputError: the file is shorter than that.
        """
        try:
            return np.memmap(self._file, self.dtype, "r", self._offset, self.shape, order)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.where}: the file is cut short") from error


def blocks(array: StoredArray) -> Iterator[tuple[int, np.ndarray]]:
    """All rows in order, some MiB at once: pairs of the first row's number and the rows."""
    size = math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, READ_BYTES // max(1, size))
    for first in range(0, array.shape[0], step):
        yield first, array.rows(first, min(first + step, array.shape[0]))
