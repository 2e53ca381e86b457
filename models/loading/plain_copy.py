"""The form in which arrays pass from a process to another: float32 one after the other, then an index as JSON.

The index's length stands in the last 8 bytes. The index says what the arrays are: shapes, and offsets in bytes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np


def write_array(target: BinaryIO, values: np.ndarray) -> dict[str, Any]:
    """Appends an array of any numeric type as float32; the entry for the index, {"shape", "offset"}."""
    values = np.asarray(values)
    shape, offset = list(values.shape), target.tell()
    plain = np.ascontiguousarray(values, "<f4")
    target.write(plain.data.cast("B") if plain.size else b"")
    return {"shape": shape, "offset": offset}


def write_index(target: BinaryIO, index: Any) -> None:
    """Ends a copy."""
    encoded = json.dumps(index).encode()
    target.write(encoded)
    target.write(len(encoded).to_bytes(8, "little"))
    target.flush()


def read_copy(copy: BinaryIO) -> tuple[Any, np.ndarray]:
    """The index of a copy, and all its arrays one after the other: float32 [n].

    They are mapped, and let go of page by page: a large network is held once, by Keras.
    """
    size = copy.seek(0, os.SEEK_END)
    copy.seek(size - 8)
    length = int.from_bytes(copy.read(8), "little")
    copy.seek(size - 8 - length)
    index = json.loads(copy.read(length))
    count = (size - 8 - length) // 4
    return index, np.memmap(copy, "<f4", "r", shape=(count,)) if count else np.zeros(0, np.float32)


def array_at(values: np.ndarray, shape: Sequence[int], offset: int) -> np.ndarray:
    """One array of a copy."""
    return np.asarray(values)[offset // 4 : offset // 4 + math.prod(shape)].reshape(shape)
