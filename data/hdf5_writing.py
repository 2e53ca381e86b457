"""Writing HDF5 files on disks that may be full."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import h5py


class _Target(io.RawIOBase):
    """The file that HDF5 writes to; what the disk refuses is remembered, and HDF5 doesn't hear of it.

    Told of a write that failed, HDF5 1.14 leaves a file that can't be closed, and crashes when the process ends.
    """

    def __init__(self, path: str):
        super().__init__()
        self._file = open(path, "xb+", buffering=0)  # noqa: SIM115
        self._end = 0
        self.refused: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._end + offset, os.SEEK_SET
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]  # noqa: ANN001
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) or 0
        view[count:] = bytes(len(view) - count)  # What the disk refused reads as zeros.
        return len(view)

    def write(self, buffer) -> int:  # type: ignore[no-untyped-def, override]  # noqa: ANN001
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        written = 0
        while written < len(view) and self.refused is None:
            try:
                written += self._file.write(view[written:]) or 0
            except OSError as error:
                self.refused = error
        self._end = max(self._end, start + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self._end = self._file.tell() if size is None else size
        if self.refused is None:
            try:
                self._file.truncate(self._end)
            except OSError as error:
                self.refused = error
        return self._end

    def close(self) -> None:
        if not self._file.closed:
            try:
                if self.refused is None:
                    os.fsync(self._file.fileno())
            except OSError as error:
                self.refused = error
            self._file.close()
        super().close()


@contextlib.contextmanager
def new_hdf5_file(path: str) -> Iterator[h5py.File]:
    """A new HDF5 file to be filled; on disk when this ends.

    Args:
        path: where nothing is yet.

    Raises:
        OSError: the disk refused it, also if it did so while the file was filled.
    """
    target = _Target(path)
    try:
        with h5py.File(target, "w") as file:
            yield file
    except Exception:
        if target.refused is None:
            raise
    finally:
        target.close()
    if target.refused is not None:
        raise target.refused
