"""Arrays in unnamed temporary files: what is read often, in any order, and is too large for memory."""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Iterable

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.reading_process import no_room, temporary_file
from goodnet.data.stored_array import ArrayFile
from goodnet.export.pixel_range import READ_BYTES

# Of the temporary folder's free space; others need some, too.
_MOST_OF_THE_ROOM = 0.9


def room_for(size: int) -> bool:
    """Whether the temporary folder has so many bytes to spare."""
    try:
        found = os.statvfs(tempfile.gettempdir())
    except OSError:
        return False
    return size <= _MOST_OF_THE_ROOM * found.f_bavail * found.f_frsize


def spooled(parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype, where: str) -> ArrayFile:
    """Writes an array to a temporary file, part by part.

    Args:
        parts: its values in C order, cut anywhere.
        shape: of the whole.
        dtype: of the values.
        where: file and name, for messages.

    Raises:
        InputError: there is no room for it, or the parts are not of that size.
    """
    size = math.prod(shape) * dtype.itemsize
    file = temporary_file(size)
    try:
        if not room_for(size):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = 0
        for part in parts:
            written += part.nbytes
            if written > size:
                break
            file.write(np.ascontiguousarray(part).data.cast("B") if part.size else b"")
        if written != size:
            raise InputError(f"{where}: its values are not as many as its shape says")
        file.flush()
    except OSError as error:
        file.close()
        raise InputError(f"{where}: {no_room(error, size) or error.strerror or error}") from error
    except BaseException:
        file.close()
        raise
    return ArrayFile(file, 0, shape, dtype, where)


def in_c_order(array: ArrayFile) -> ArrayFile:
    """An array whose file holds it in Fortran order, as one whose rows lie together.

    Raises:
        InputError: there is no room for it.
    """
    mapped = array.mapped("F")
    step = max(1, READ_BYTES // max(1, math.prod(array.shape[1:]) * array.dtype.itemsize))
    parts = (mapped[first : first + step] for first in range(0, array.shape[0], step))
    return spooled(parts, array.shape, array.dtype, array.where)
