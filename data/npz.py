"""Image sets in NumPy's .npz archives.

What `numpy.savez` wrote is read from the archive on demand; what `numpy.savez_compressed` wrote is first inflated into
an unnamed temporary file. Pickled objects are never loaded. Sizes are checked before anything is allocated.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Iterator

import numpy as np

from goodnet.data import image_set as image_sets
from goodnet.data.array_names import TRUE_LABELS, find_pair
from goodnet.data.errors import InputError
from goodnet.data.labels import read_labels
from goodnet.data.spooling import in_c_order, spooled
from goodnet.data.stored_array import ArrayFile
from goodnet.data.stored_images import StoredImages
from goodnet.data.use import Use
from goodnet.export.npy_header import NpyHeader, read_header
from goodnet.export.pixel_range import READ_BYTES, check_pixel_dtype, image_layout
from goodnet.export.regular_files import open_regular

_MAX_INFLATED = 2**34
_MAX_MEMBERS = 1000
# What NumPy writes. LZMA's decoder takes as much memory as the archive asks for.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# No deflate stream gets smaller than this.
_MOST_DEFLATED = 1032
_SUFFIX = ".npy"


class _Member:
    """An array of an archive: its header is read, its values are not."""

    def __init__(self, archive: zipfile.ZipFile, name: str, path: str):
        self._archive, self._path = archive, path
        self._info = info = archive.getinfo(f"{name}{_SUFFIX}")
        self.where = f'{path}, "{name}"'
        if info.compress_type not in _COMPRESSIONS:
            raise InputError(f"{self.where}: compression {info.compress_type} of zip; expected deflate (8) or none (0)")
        with archive.open(info) as stream:
            self.header: NpyHeader = read_header(stream.read, info.file_size, self.where)

    def open(self) -> ArrayFile:
        """The array, to be read when asked for."""
        array = self._stored() if self._info.compress_type == zipfile.ZIP_STORED else self._inflated()
        return in_c_order(array) if self.header.is_fortran else array

    def _stored(self) -> ArrayFile:
        file = open_regular(self._path)
        file.seek(self._info.header_offset)
        name_length, extra_length = struct.unpack("<HH", file.read(30)[26:30])
        offset = self._info.header_offset + 30 + name_length + extra_length + self.header.length
        if offset + math.prod(self.header.shape) * self.header.dtype.itemsize > os.fstat(file.fileno()).st_size:
            raise InputError(f"{self.where}: the archive is cut short")
        return ArrayFile(file, offset, self.header.shape, self.header.dtype, self.where)

    def _inflated(self) -> ArrayFile:
        size = self._info.file_size
        if size > _MAX_INFLATED:
            raise InputError(
                f"{self.where}: {size} bytes; expected at most {_MAX_INFLATED} in a compressed archive "
                "(write it with numpy.savez or as HDF5, which are read from disk on demand)"
            )
        if size > _MOST_DEFLATED * (self._info.compress_size + 1):
            raise InputError(
                f"{self.where}: {self._info.compress_size} bytes are said to inflate to {size}, which deflate cannot do"
            )
        return spooled(self._pieces(), self.header.shape, self.header.dtype, self.where)

    def _pieces(self) -> Iterator[np.ndarray]:
        with self._archive.open(self._info) as stream:
            stream.read(self.header.length)
            while piece := stream.read(READ_BYTES):
                yield np.frombuffer(piece, np.uint8)


def read_npz(path: str, use: Use = Use.CLEAN) -> image_sets.ImageSet:
    """Opens an image set in an .npz archive.

    Args:
        path: archive with an array of images (as `StoredImages` takes them) and one of labels (as `read_labels` does),
            under the names of `data.array_names`; beside a whole set's, optionally `true_label`.
        use: what for, where the archive holds several parts.

    Returns:
        An ImageSet named after the path.

    Raises:
        InputError: when the archive is damaged, holds objects, or does not hold what is described here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path, use)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: reading it takes more memory than there is") from error
    except Exception as error:  # a decoder of untrusted bytes may raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: damaged or unreadable .npz archive ({reason})") from error


def _read(archive: zipfile.ZipFile, path: str, use: Use) -> image_sets.ImageSet:
    members = archive.namelist()
    if len(members) > _MAX_MEMBERS or len(set(members)) != len(members):
        raise InputError(f"{path}: {len(members)} members, some perhaps twice; expected an archive of a few arrays")
    if "config.json" in members:
        raise InputError(f"{path}: a Keras model; expected an image set")
    names = [name.removesuffix(_SUFFIX) for name in members if name.endswith(_SUFFIX)]
    pair = find_pair(names, path, use)
    pixels = _Member(archive, pair.images, path)
    check_pixel_dtype(pixels.header.dtype, pixels.where)
    (images, *_), _ = image_layout(pixels.header.shape, pixels.where)
    # Labels first: they are small, and show much of what may be wrong.
    labels = read_labels(_Member(archive, pair.labels, path).open(), images)
    true_labels = None
    if pair.is_whole and TRUE_LABELS in names:
        true_labels = read_labels(_Member(archive, TRUE_LABELS, path).open(), images)
    return image_sets.ImageSet(path, StoredImages(pixels.open()), labels, true_labels=true_labels)
