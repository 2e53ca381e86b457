"""Arrays in files of NumPy's .npy format: the header is checked against the size of the file.

Pickled objects are never loaded.
"""

from __future__ import annotations

import io

from goodnet.data.errors import InputError
from goodnet.data.spooling import in_c_order
from goodnet.data.stored_array import ArrayFile
from goodnet.export.npy_header import read_header
from goodnet.export.regular_files import open_regular


def open_npy(path: str) -> ArrayFile:
    """Opens an array file; a link is not followed.

    Raises:
        InputError: it is damaged or holds objects.
    """
    try:
        file = open_regular(path, follow_links=False)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        header = read_header(file.read, size, path)
    except InputError:
        raise
    except Exception as error:  # a decoder of untrusted bytes may raise anything
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: damaged or unreadable .npy array ({reason})") from error
    array = ArrayFile(file, header.length, header.shape, header.dtype, path)
    return in_c_order(array) if header.is_fortran else array
