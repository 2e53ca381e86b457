"""The header of an array in NumPy's .npy format, read as data, in the pipeline as on the device."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib import format as npy

from goodnet.export.errors import InputError
from goodnet.export.pixel_range import shown_shape

_HEADER_BYTES = 2**16


@dataclass(frozen=True)
class NpyHeader:
    """What the header of an array says.

    Attributes:
        shape: of the array, at least one axis.
        dtype: of numbers.
        is_fortran: whether the first axis runs fastest.
        length: of the header, in bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    length: int


def read_header(read: Callable[[int], bytes], size: int, where: str) -> NpyHeader:
    """Reads a header.

    Args:
        read: gives the first bytes of the array, at most as many as it is asked for.
        size: of header and values, in bytes.
        where: file and name, for messages.

    Raises:
        InputError: it isn't an array of numbers, or not of that size.
        Exception: whatever NumPy raises on a damaged header.
    """
    start = io.BytesIO(read(_HEADER_BYTES))
    version = npy.read_magic(start)
    if version == (1, 0):
        shape, is_fortran, dtype = npy.read_array_header_1_0(start)
    elif version == (2, 0):
        shape, is_fortran, dtype = npy.read_array_header_2_0(start)
    else:
        raise InputError(f"{where}: .npy format {version}; expected 1.0 or 2.0")
    if dtype.kind not in "uifb":
        raise InputError(f"{where}: values of type {str(dtype)[:60]}; expected numbers (objects are never loaded)")
    if any(side < 0 for side in shape):
        raise InputError(f"{where}: the shape is {shown_shape(shape)}; expected no negative side")
    if not shape:
        raise InputError(f"{where}: a single number; expected an array")
    declared = math.prod(shape) * dtype.itemsize
    if declared != size - start.tell():
        raise InputError(
            f"{where}: shape {shown_shape(shape)} takes {declared} bytes, but the member is of another size"
        )
    return NpyHeader(shape, dtype, is_fortran and len(shape) > 1, start.tell())
