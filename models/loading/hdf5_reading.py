"""Copies what matters of a model's HDF5 file into plain bytes: run as a process of its own by `suspect_hdf5`.

`data.reading_process` says why. This module imports neither TensorFlow nor Keras, to be quick.
`models.loading.plain_copy` has what it writes.

Nothing outside the file is followed, and nothing larger than the file is allocated.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import h5py
import numpy as np

from goodnet.data.reading_process import end_this_process_after, end_with_parent, no_room, restrict_this_process
from goodnet.models.loading.plain_copy import write_array, write_index

MOST_WEIGHT_BYTES = 2**30
NO_ROOM = 3
_MOST_NAMES = 2**16
_LONGEST_NAME = 2**12
_MOST_MEMBERS = 2**16
_DEEPEST = 32
_MOST_AXES = 6
_MOST_EXPANSION = 256
_MOST_EXPANSION_OF_ALL = 8
_ALWAYS_ALLOWED = 2**26
# Filters that HDF5 itself brings along: deflate, shuffle, fletcher32, scale-offset, and h5py's own lzf.
_KNOWN_FILTERS = (1, 2, 3, 6, 32000)
_TEXTS = ("model_config", "keras_version")
_LISTS = ("layer_names", "weight_names")
_STORES = ("layers", "_layer_checkpoint_dependencies")

Index = dict[str, Any]
"""A group {"texts", "lists", "members"}, an array {"shape", "offset"}, or {"refused": reason}."""


class _RefusedError(Exception):
    """A member that isn't copied; it only matters if a layer needs it."""


class _Copier:
    def __init__(self, target: BinaryIO, most_bytes: int):
        self._target = target
        self._most_bytes = self._allowance = most_bytes
        self._members = 0
        self._names = 0

    def file(self, root: h5py.Group) -> Index:
        """Copies the parts in which Keras keeps weights; the optimiser's and anything else are not looked at."""
        if "model_config" in root.attrs:
            wanted = ["model_weights"]
        elif any(name.startswith("layer_names") for name in root.attrs):
            wanted = list(root)
        else:
            wanted = [name for name in _STORES if name in root]
        return self.group(root, wanted, depth=0)

    def group(self, group: h5py.Group, wanted: list[str], depth: int) -> Index:
        members = {}
        for name in wanted:
            self._members += 1
            if self._members > _MOST_MEMBERS or depth > _DEEPEST:
                raise _RefusedError(f"more than {_MOST_MEMBERS} members or {_DEEPEST} levels of groups; expected fewer")
            if name in group or group.get(name, getlink=True) is not None:
                members[name] = self._member(group, name, depth)
        texts = {name: _text(group, name) for name in _TEXTS if name in group.attrs}
        lists = {name: names for name in _LISTS if (names := _names(group, name)) is not None}
        self._names += sum(map(len, lists.values()))
        if self._names > _MOST_NAMES:
            raise ValueError(f"more than {_MOST_NAMES} names of layers and weights; expected fewer")
        return {"texts": texts, "lists": lists, "members": members}

    def _member(self, group: h5py.Group, name: str, depth: int) -> Index:
        try:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _RefusedError("a soft or external link; expected the data itself")
            member = group[name]
            if isinstance(member, h5py.Group):
                return self.group(member, list(member), depth + 1)
            return self._array(member)
        except _RefusedError as refused:
            return {"refused": str(refused)}

    def _array(self, dataset: Any) -> Index:
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu" or dataset.shape is None:
            raise _RefusedError("an array of another type; expected numbers")
        if 0 in dataset.shape or dataset.ndim > _MOST_AXES:
            # An axis of 0 makes the others free of charge, however long they are.
            shape = ", ".join(map(str, dataset.shape[:_MOST_AXES]))
            raise _RefusedError(
                f"an array of {dataset.ndim} axes ({shape}); expected numbers, in 1 to {_MOST_AXES} axes"
            )
        self._check_storage(dataset)
        with np.errstate(over="ignore", invalid="ignore"):
            return write_array(self._target, dataset[()])

    def _check_storage(self, dataset: h5py.Dataset) -> None:
        creation = dataset.id.get_create_plist()
        if creation.get_external_count() or creation.get_layout() == h5py.h5d.VIRTUAL:
            raise _RefusedError("an array stored outside this file; expected it inside")
        filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
        if any(number not in _KNOWN_FILTERS for number in filters):
            raise _RefusedError(f"an array stored with the filters {filters}; expected none, or gzip")
        stored = dataset.id.get_storage_size()
        if not filters and stored < dataset.nbytes:
            raise _RefusedError(f"an array of which {stored} bytes of {dataset.nbytes} are there; expected all")
        if dataset.nbytes > _MOST_EXPANSION * max(stored, 256):
            raise _RefusedError(
                f"an array whose {stored} bytes unpack to {dataset.nbytes}; expected at most {_MOST_EXPANSION} times"
            )
        self._allowance -= max(4 * dataset.size, dataset.nbytes)
        if self._allowance < 0:
            raise _RefusedError(
                f"one array too many: together more than {self._most_bytes // 2**20} MiB; expected less"
            )


def copy_contents(source: BinaryIO, target: BinaryIO, most_bytes: int) -> None:
    """Copies a model's HDF5 file into the plain layout described above.

    Args:
        source: the file, seekable.
        target: where the copy goes.
        most_bytes: how much all arrays may take together.

    Raises:
        Exception: whatever the HDF5 library has against a damaged file.
    """
    with h5py.File(source, "r") as file:
        index = _Copier(target, most_bytes).file(file["/"])
    write_index(target, index)


def _text(group: h5py.Group, name: str) -> str | None:
    value = _attribute(group, name)
    value = value.decode("utf-8") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else None


def _names(group: h5py.Group, name: str) -> list[str] | None:
    """A list of names; one that is too long for an attribute is stored in pieces `name0`, `name1`, ..."""
    if name in group.attrs:
        return _list(group, name)
    pieces: list[str] = []
    number = 0
    while f"{name}{number}" in group.attrs and len(pieces) <= _MOST_NAMES:
        pieces += _list(group, f"{name}{number}")
        number += 1
    return pieces if number else None


def _list(group: h5py.Group, name: str) -> list[str]:
    values = np.atleast_1d(np.asarray(_attribute(group, name))).tolist()
    items = [item.decode("utf-8") if isinstance(item, bytes) else item for item in values]
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"attribute {name}: expected a list of names")
    longest = max(map(len, items), default=0)
    if longest > _LONGEST_NAME:
        raise ValueError(f"attribute {name}: a name of {longest} characters; expected at most {_LONGEST_NAME}")
    return items


def _attribute(group: h5py.Group, name: str) -> Any:
    shape = group.attrs.get_id(name).shape
    if shape is None or len(shape) > 1 or (shape and shape[0] > _MOST_NAMES):
        raise ValueError(f"attribute {name} has the shape {shape}; expected a text, or a list of names")
    return group.attrs[name]


def most_weight_bytes(stored: int) -> int:
    """How much the arrays of a file of `stored` bytes may take: weights hardly compress, and Keras never does it."""
    return min(MOST_WEIGHT_BYTES, max(_ALWAYS_ALLOWED, _MOST_EXPANSION_OF_ALL * stored))


def main() -> int:
    """Copies standard input to standard output; on failure, one line on standard error and 1, or 3 for want of room.

    The arguments: how many seconds it may take, and how many bytes all arrays.
    """
    seconds, most_bytes = float(sys.argv[1]), int(sys.argv[2])
    end_with_parent()
    restrict_this_process(most_file_bytes=2 * MOST_WEIGHT_BYTES)
    end_this_process_after(seconds)
    try:
        copy_contents(sys.stdin.buffer, sys.stdout.buffer, most_bytes)
    except Exception as error:  # h5py raises nearly any class on a damaged file; the one who asked wants a line.
        no_room_line = no_room(error, most_bytes)
        print(no_room_line or f"{type(error).__name__}: {error}"[:400], file=sys.stderr)
        return NO_ROOM if no_room_line else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
