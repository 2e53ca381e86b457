"""Reading an HDF5 file that nobody vouches for: nothing outside it is followed, nothing larger than it is allocated."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np

from data.errors import InputError
from models.model_spec import quoted

_MOST_WEIGHT_BYTES = 2**30
_MOST_NAMES = 2**16
_MOST_EXPANSION = 256
# Filters that HDF5 itself brings along: deflate, shuffle, fletcher32, scale-offset, and h5py's own lzf.
_KNOWN_FILTERS = (1, 2, 3, 6, 32000)
# What h5py raises on damaged files, as seen by flipping bytes.
_DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    SystemError,
)


class SuspectGroup:
    """A group of a suspect file, whose members are reached by hard links inside that file only."""

    def __init__(self, group: h5py.Group, allowance: _Allowance | None = None):
        """Wraps an open group; the groups below share one allowance of bytes."""
        self._group = group
        self._allowance = allowance or _Allowance(_MOST_WEIGHT_BYTES)

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def names(self) -> list[str]:
        """Names of the members.

        Raises:
            InputError: there are more than 65,536.
        """
        if len(self._group) > _MOST_NAMES:
            raise InputError(f"{quoted(self._group.name)}: {len(self._group)} members; expected at most {_MOST_NAMES}")
        return list(self._group)

    def group(self, path: str) -> SuspectGroup:
        """The group at a path such as "layers/conv2d" below this one.

        Raises:
            InputError: it isn't there, is no group, or a link leads elsewhere.
        """
        member = self._follow(path)
        if not isinstance(member, h5py.Group):
            raise InputError(f"{quoted(path)} is no group; expected one")
        return SuspectGroup(member, self._allowance)

    def weight(self, path: str) -> np.ndarray:
        """The array at a path below this group, as float32.

        Raises:
            InputError: it isn't there, isn't numeric, lies outside the file, isn't complete, unpacks to far more than
                the file holds, or has NaN or infinite values.
        """
        dataset = self._follow(path)
        where = f"weight {quoted(path)}"
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(f"{where} is no array; expected one")
        if dataset.dtype.kind not in "fiu" or dataset.shape is None:
            raise InputError(f"{where} is of type {quoted(dataset.dtype)}; expected numbers")
        self._check_storage(dataset, where)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.asarray(dataset[()]).astype(np.float32)
        if not np.all(np.isfinite(values)):
            raise InputError(
                f"{where} has {int(np.sum(~np.isfinite(values)))} values that are NaN or infinite; expected none"
            )
        return values

    def text(self, name: str) -> str | None:
        """An attribute that holds one text, or None."""
        if name not in self._group.attrs:
            return None
        value = self._attribute(name)
        if isinstance(value, bytes):
            value = value.decode("utf-8")
        if not isinstance(value, str):
            raise InputError(f"attribute {quoted(name)} is of type {type(value).__name__}; expected text")
        return value

    def listed(self, name: str) -> list[str] | None:
        """An attribute that holds a list of names, or None; long lists are stored in pieces `name0`, `name1`, ..."""
        if name in self._group.attrs:
            return self._list(name)
        pieces: list[str] = []
        number = 0
        while f"{name}{number}" in self._group.attrs:
            pieces += self._list(f"{name}{number}")
            number += 1
        return pieces if number else None

    def has_text(self, name: str) -> bool:
        """Whether there is an attribute of that name; it is not read."""
        return name in self._group.attrs

    def _list(self, name: str) -> list[str]:
        values = np.atleast_1d(np.asarray(self._attribute(name)))
        items = [item.decode("utf-8") if isinstance(item, bytes) else item for item in values.tolist()]
        if not all(isinstance(item, str) for item in items):
            raise InputError(f"attribute {quoted(name)}; expected a list of names")
        return items

    def _attribute(self, name: str) -> object:
        shape = self._group.attrs.get_id(name).shape
        if shape is None or len(shape) > 1 or (shape and shape[0] > _MOST_NAMES):
            raise InputError(f"attribute {quoted(name)} has the shape {shape}; expected a text, or a list of names")
        return self._group.attrs[name]

    def _follow(self, path: str) -> h5py.Group | h5py.Dataset:
        member = self._group
        for part in path.split("/"):
            link = (
                member.get(part, getlink=True)
                if isinstance(member, h5py.Group) and part not in ("", ".", "..")
                else None
            )
            if link is None:
                raise InputError(f"no {quoted(path)} in {quoted(self._group.name)}; expected one")
            if not isinstance(link, h5py.HardLink):
                raise InputError(f"{quoted(path)} is a soft or external link; expected the data itself")
            member = member[part]
        return member

    def _check_storage(self, dataset: h5py.Dataset, where: str) -> None:
        creation = dataset.id.get_create_plist()
        if creation.get_external_count() or creation.get_layout() == h5py.h5d.VIRTUAL:
            raise InputError(f"{where} is stored outside this file; expected it inside")
        filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
        if any(number not in _KNOWN_FILTERS for number in filters):
            raise InputError(f"{where} is stored with the filters {filters}; expected none, or gzip")
        stored = dataset.id.get_storage_size()
        if not filters and stored < dataset.nbytes:
            raise InputError(f"{where}: {stored} bytes of {dataset.nbytes} are there; expected all")
        if dataset.nbytes > _MOST_EXPANSION * max(stored, 256):
            raise InputError(
                f"{where}: {stored} bytes unpack to {dataset.nbytes}; expected at most {_MOST_EXPANSION} times"
            )
        self._allowance.take(dataset.size * 4 + dataset.nbytes, where)


class _Allowance:
    """Bytes that the arrays of one file may still take."""

    def __init__(self, remaining: int):
        self._remaining = remaining

    def take(self, amount: int, where: str) -> None:
        self._remaining -= amount
        if self._remaining < 0:
            raise InputError(f"{where}: the weights take more than {_MOST_WEIGHT_BYTES // 2**20} MiB; expected less")


@contextmanager
def suspect_hdf5(source: str | io.BytesIO) -> Iterator[SuspectGroup]:
    """Opens an HDF5 file for reading, and turns whatever is wrong inside it into one line.

    Args:
        source: path, or the file's bytes.

    Yields:
        The root group.

    Raises:
        InputError: the file is damaged, or what the block raises when it meets damage.
    """
    try:
        with h5py.File(source, "r") as file:
            yield SuspectGroup(file["/"])
    except InputError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"damaged HDF5 ({type(error).__name__}: {quoted(reason)}); expected a complete file"
        ) from error
