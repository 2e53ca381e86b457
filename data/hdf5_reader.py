"""An HDF5 image set as another process reads it: nothing of the file is parsed here."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import subprocess
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.data import hdf5_serving
from goodnet.data.errors import InputError
from goodnet.data.reading_process import how_it_ended, seconds_for, start

_LONGEST_LINE = 2**27


@dataclass(frozen=True)
class Member:
    """A dataset as the file declares it.

    Attributes:
        shape: its shape.
        dtype: its type, of any kind.
        chunk_rows: how many rows are stored, and therefore read, together.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    chunk_rows: int


class Hdf5Reader:
    """Reads one file through `data.hdf5_serving`; the process lives as long as this object does.

    Attributes:
        names: of the datasets whose names mean something; some others where there is none.
    """

    def __init__(self, path: str):
        """Opens a file.

        Args:
            path: the file.

        Raises:
            InputError: it is damaged, or a Keras model.
        """
        self._path = path
        self._process = start(
            hdf5_serving.__name__,
            path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())
        self._lock = threading.Lock()
        self._members: dict[str, Member] = {}
        self.names: tuple[str, ...] = tuple(self._ask({"do": "open"}, os.path.getsize(path))["names"])

    def member(self, name: str) -> Member:
        """How a dataset is declared; how it is stored was checked then.

        Raises:
            InputError: it is missing, or not stored whole in the file itself.
        """
        if name not in self._members:
            found = self._ask({"do": "describe", "name": name}, os.path.getsize(self._path))
            self._members[name] = Member(tuple(found["shape"]), np.dtype(found["dtype"]), found["chunk_rows"])
        return self._members[name]

    def texts(self, name: str) -> list[str] | None:
        """A dataset of texts; None if their length varies, since these are not read.

        Raises:
            InputError: it can't be read.
        """
        member = self.member(name)
        size = math.prod(member.shape) * member.dtype.itemsize
        return self._ask({"do": "texts", "name": name}, size)["texts"]

    def rows(self, name: str, first: int, last: int) -> np.ndarray:
        """Rows `first` to `last` - 1 of a dataset of numbers, as they are stored.

        Raises:
            InputError: they can't be read.
        """
        member = self.member(name)
        request = {"do": "rows", "name": name, "first": first, "last": last}
        with self._lock:
            return self._values(request, (last - first, *member.shape[1:]), member.dtype)

    def close(self) -> None:
        """Ends the process."""
        self._finalizer()

    def _values(self, request: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        size = math.prod(shape) * dtype.itemsize
        answer = self._ask(request, size)
        if tuple(answer["shape"]) != shape or answer["dtype"] != dtype.str:
            raise self._damaged("other values than it declared")
        values = np.empty(shape, dtype)
        if size and self._stream().readinto(values.data.cast("B")) != size:
            raise self._ended(seconds_for(size))
        return values

    def _ask(self, request: dict[str, Any], size: int) -> dict[str, Any]:
        """Asks for something of so many bytes.

        The time is kept by the process that answers: it is gone when its time is over, and this one reads on an end.
        """
        seconds = seconds_for(size)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({**request, "seconds": seconds}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended(seconds) from None
        line = self._stream().readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise self._ended(seconds)
        answer = json.loads(line)
        if "refused" in answer:
            raise InputError(answer["refused"])
        if "damaged" in answer:
            raise self._damaged(answer["damaged"])
        return answer

    def _stream(self) -> io.BufferedReader:
        assert isinstance(self._process.stdout, io.BufferedReader)
        return self._process.stdout

    def _ended(self, seconds: float) -> InputError:
        self._process.kill()  # It may have closed its end of a pipe, no more; what is over already stays as it is.
        return self._damaged(how_it_ended(self._process.wait(), seconds))

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self._path}: damaged or unreadable HDF5 file ({reason})")


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """Ends a process, unless this one is a fork of the one that started it."""
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
