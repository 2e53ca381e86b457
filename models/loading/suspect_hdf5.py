"""Reading a model's HDF5 file that nobody vouches for, in a process that can be stopped."""

from __future__ import annotations

import os
import subprocess
from typing import BinaryIO

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.reading_process import how_it_ended, seconds_for, start, temporary_file
from goodnet.models.loading import hdf5_reading
from goodnet.models.loading.hdf5_reading import NO_ROOM, Index, most_weight_bytes
from goodnet.models.loading.model_spec import quoted
from goodnet.models.loading.plain_copy import array_at, read_copy


class SuspectGroup:
    """A group of a suspect file, or rather the copy of it that another process made."""

    def __init__(self, index: Index, values: np.ndarray):
        """Wraps a group's index; `values` is float32 [n], the arrays of the whole file one after the other."""
        self._index = index
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._index["members"]

    def names(self) -> list[str]:
        """Names of the members."""
        return list(self._index["members"])

    def group(self, path: str) -> SuspectGroup:
        """The group at a path such as "layers/conv2d" below this one.

        Raises:
            InputError: it isn't there, is no group, or a link leads elsewhere.
        """
        member = self._follow(path)
        if "members" not in member:
            raise InputError(f"{quoted(path)} is no group; expected one")
        return SuspectGroup(member, self._values)

    def weight(self, path: str) -> np.ndarray:
        """The array at a path below this group, as float32.

        Raises:
            InputError: it isn't there, isn't numeric, lies outside the file, isn't complete, unpacks to far more than
                the file holds, or has NaN or infinite values.
        """
        values = array_at(self._values, self.shape(path), self._follow(path)["offset"])
        broken = int(np.sum(~np.isfinite(values)))
        if broken:
            raise InputError(f"weight {quoted(path)} has {broken} values that are NaN or infinite; expected none")
        return values

    def shape(self, path: str) -> tuple[int, ...]:
        """Shape of the array at a path below this group; none of its axes is empty.

        Raises:
            InputError: as `weight`, save for what only the values can show.
        """
        member = self._follow(path)
        if "shape" not in member:
            raise InputError(f"weight {quoted(path)} is no array; expected one")
        return tuple(member["shape"])

    def text(self, name: str) -> str | None:
        """An attribute that holds one text, or None.

        Raises:
            InputError: it holds something else.
        """
        texts = self._index["texts"]
        if name in texts and texts[name] is None:
            raise InputError(f"attribute {quoted(name)} is no text; expected text")
        return texts.get(name)

    def listed(self, name: str) -> list[str] | None:
        """An attribute that holds a list of names, or None."""
        return self._index["lists"].get(name)

    def _follow(self, path: str) -> Index:
        member = self._index
        for part in path.split("/"):
            member = member.get("members", {}).get(part)
            if member is None:
                raise InputError(f"no {quoted(path)} in the file; expected it")
            if "refused" in member:
                raise InputError(f"{quoted(path)}: {member['refused']}")
        return member


def read_suspect_hdf5(file: BinaryIO, stored: int | None = None, seconds: float | None = None) -> SuspectGroup:
    """Reads a model's HDF5 file; a member that can't be read is an error only when it is asked for.

    Args:
        file: a real file, open for reading.
        stored: bytes on disk that it was unpacked from; None for the size of the file.
        seconds: how long reading may take; None for what the size of the file allows.

    Returns:
        The root group.

    Raises:
        InputError: the file is damaged, or reading it takes too long or too much memory.
    """
    size = os.fstat(file.fileno()).st_size
    seconds = seconds_for(size) if seconds is None else seconds
    allowed = most_weight_bytes(size if stored is None else stored)
    file.seek(0)
    with temporary_file(allowed) as copy:
        with start(
            hdf5_reading.__name__, str(seconds), str(allowed), stdin=file, stdout=copy, stderr=subprocess.PIPE
        ) as reading:
            try:
                _, said = reading.communicate()
            except BaseException:
                reading.kill()
                raise
        if reading.returncode < 0:
            raise _damaged(how_it_ended(reading.returncode, seconds))
        if reading.returncode > 0:
            lines = said.decode("utf-8", "replace").strip().splitlines() or ["unknown"]
            if reading.returncode == NO_ROOM:
                raise InputError(lines[-1])
            raise _damaged(" ".join(lines[-1].split())[:200])
        return SuspectGroup(*read_copy(copy))


def _damaged(reason: str) -> InputError:
    text = "".join(character if " " <= character <= "~" else "?" for character in reason)
    return InputError(f"damaged HDF5 ({text}); expected a complete file")
