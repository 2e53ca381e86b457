"""Reads one HDF5 image set for another process: run as a process of its own by `data.hdf5_reader`.

`data.reading_process` says why. A request is a line of JSON on standard input: {"do": "open"}, which lists the names
that mean something, {"do": "describe", "name": NAME}, {"do": "texts", "name": NAME}, or {"do": "rows", "name": NAME,
"first": I, "last": J}, each with the "seconds" that it may take. What is read was described before. An answer on
standard output is a line of JSON: {"refused": LINE}, {"damaged": REASON}, or what was asked for; the values of arrays
follow it.

The file must hold its own bytes (no external or soft links, no external storage, no virtual datasets), use no filter
but those that HDF5 and h5py bring along, and really contain what it declares.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any, BinaryIO

import h5py
import numpy as np

from goodnet.data.array_names import KNOWN_NAMES, TRUE_LABELS
from goodnet.data.errors import InputError
from goodnet.data.reading_process import end_this_process_after, restrict_this_process
from goodnet.export.hdf5_storage import check_dataset

LANDMARKS, CLASS_NAMES = "landmarks", "class_names"
_NAMES = (*KNOWN_NAMES, TRUE_LABELS, LANDMARKS, CLASS_NAMES)
_MAX_TEXT_BYTES = 2**20
_MAX_TEXTS_BYTES = 2**24
_CHUNK_CACHE_BYTES = 2**26
# Of names that mean nothing, for messages.
_SHOWN = 8


class _Server:
    """Answers requests about one file."""

    def __init__(self, path: str):
        self._path = path
        self._file: h5py.File
        self._members: dict[str, h5py.Dataset] = {}

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
        """An answer and the values that follow it."""
        if request["do"] == "open":
            return self._open(), None
        name = request["name"]
        where = f'{self._path}, "{name}"'
        if request["do"] == "describe":
            return self._described(name, where), None
        dataset = self._members[name]
        if request["do"] == "texts":
            return {"texts": _texts(dataset, math.prod(dataset.shape) * dataset.dtype.itemsize, where)}, None
        return {}, np.ascontiguousarray(dataset[request["first"] : request["last"]])

    def _open(self) -> dict[str, Any]:
        self._file = file = h5py.File(self._path, "r", rdcc_nbytes=_CHUNK_CACHE_BYTES, rdcc_nslots=10_007)
        found = [name for name in _NAMES if file.get(name, getlink=True) is not None]
        if not found:
            if "model_weights" in file or "layer_names" in file.attrs or "layers" in file:
                raise InputError(f"{self._path}: a Keras model or its weights; expected an image set")
            found = [name for name in list(file)[:_SHOWN]]
        return {"names": found}

    def _described(self, name: str, where: str) -> dict[str, Any]:
        dataset = self._members[name] = check_dataset(self._file, name, where)
        return {
            "shape": dataset.shape,
            "dtype": dataset.dtype.str,
            "chunk_rows": dataset.chunks[0] if dataset.chunks else 1,
        }


def _texts(dataset: h5py.Dataset, stored: int, where: str) -> list[str] | None:
    """Texts of fixed length; None where their length varies."""
    kind = h5py.check_string_dtype(dataset.dtype)
    if kind is not None and kind.length is None:
        # They live in a heap where HDF5 1.14 can loop for ever, if it is damaged; names aren't worth that.
        return None
    if kind is None or len(dataset.shape) != 1:
        raise InputError(f"{where}: {dataset.dtype} of shape {list(dataset.shape)}; expected one text for each class")
    if stored > _MAX_TEXTS_BYTES:
        raise InputError(f"{where}: {stored} bytes of names; expected at most {_MAX_TEXTS_BYTES}")
    texts = dataset[()]
    if any(len(text) > _MAX_TEXT_BYTES for text in texts):
        raise InputError(f"{where}: a name is longer than {_MAX_TEXT_BYTES} bytes")
    return [text.decode("utf-8", "replace") for text in texts]


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "reading it takes too much memory"
    return " ".join(str(error).split())[:300] or type(error).__name__


def _send(target: BinaryIO, answer: dict[str, Any], values: np.ndarray | None) -> None:
    if values is not None:
        answer = {**answer, "shape": values.shape, "dtype": values.dtype.str}
    target.write(json.dumps(answer).encode() + b"\n")
    if values is not None and values.size:
        target.write(values.data.cast("B"))
    target.flush()


def main() -> None:
    """Answers requests about the file that the first argument names, until there are no more."""
    restrict_this_process(most_file_bytes=0)
    server = _Server(sys.argv[1])
    for line in sys.stdin.buffer:
        request, values = json.loads(line), None
        end_this_process_after(request["seconds"])
        try:
            answer, values = server.answer(request)
        except InputError as error:
            answer = {"refused": str(error)}
        except Exception as error:  # On damaged bytes h5py and HDF5 raise nearly anything.
            answer = {"damaged": _reason(error)}
        end_this_process_after(0)  # Whoever asked takes the answer when it likes.
        _send(sys.stdout.buffer, answer, values)


if __name__ == "__main__":
    main()
