"""Image sets in NumPy's .npz archives.

An archive written by `numpy.savez` is read from disk on demand; a compressed one (`numpy.savez_compressed`) is held in
memory and therefore limited in size. Pickled objects are never loaded. Sizes are checked before anything is allocated.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile

import numpy as np
from numpy.lib import format as npy

from goodnet.data import image_set as image_sets
from goodnet.data import labels as label_checks
from goodnet.data.errors import InputError, shown
from goodnet.export.pixel_range import (
    READ_BYTES,
    PixelRange,
    check_extents,
    check_pixel_dtype,
    images_at_once,
    shown_shape,
    to_uint8,
)

_IMAGE_KEYS = ("data", "images", "x")
_LABEL_KEYS = ("label", "labels", "y")
_MAX_IN_MEMORY = 2**30
_MAX_MEMBERS = 1000
_HEADER_BYTES = 2**16
# What NumPy writes. LZMA's decoder takes as much memory as the archive asks for.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _find(archive: zipfile.ZipFile, keys: tuple[str, ...], path: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) > _MAX_MEMBERS or len(set(names)) != len(names):
        raise InputError(f"{path}: {len(names)} members, some perhaps twice; expected an archive of a few arrays")
    if "config.json" in names:
        raise InputError(f"{path}: a Keras model; expected an image set")
    for key in keys:
        if f"{key}.npy" in names:
            return members[names.index(f"{key}.npy")]
    found = ", ".join(f'"{shown(name.removesuffix(".npy"))}"' for name in names[:8]) or "nothing"
    wanted = " or ".join(f'"{key}"' for key in keys)
    raise InputError(f"{path}: no array {wanted}; found {found}")


class _Header:
    """What the .npy header of a member says, checked against the size of the member."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str):
        where = f'{path}, "{member.filename.removesuffix(".npy")}"'
        if member.compress_type not in _COMPRESSIONS:
            raise InputError(f"{where}: compression {member.compress_type} of zip; expected deflate (8) or none (0)")
        with archive.open(member) as stream:
            start = io.BytesIO(stream.read(_HEADER_BYTES))
        version = npy.read_magic(start)
        self.shape: tuple[int, ...]
        self.is_fortran: bool
        self.dtype: np.dtype
        if version == (1, 0):
            self.shape, self.is_fortran, self.dtype = npy.read_array_header_1_0(start)
        elif version == (2, 0):
            self.shape, self.is_fortran, self.dtype = npy.read_array_header_2_0(start)
        else:
            raise InputError(f"{where}: .npy format {version}; expected 1.0 or 2.0")
        self.where = where
        self.length = start.tell()
        if self.dtype.kind not in "uif":
            raise InputError(f"{where}: values of type {self.dtype}; expected numbers (objects are never loaded)")
        if any(side < 0 for side in self.shape):
            raise InputError(f"{where}: the shape is {shown_shape(self.shape)}; expected no negative side")
        declared = math.prod(self.shape) * self.dtype.itemsize
        if declared != member.file_size - self.length:
            raise InputError(
                f"{where}: shape {shown_shape(self.shape)} takes {declared} bytes, but the member is of another size"
            )


def _load(archive: zipfile.ZipFile, member: zipfile.ZipInfo, header: _Header) -> np.ndarray:
    if member.file_size > _MAX_IN_MEMORY:
        raise InputError(
            f"{header.where}: {member.file_size} bytes; expected at most {_MAX_IN_MEMORY} in a compressed archive "
            "(write it with numpy.savez or as HDF5, which are read from disk on demand)"
        )
    flat = np.empty(math.prod(header.shape), header.dtype)
    room, filled = flat.view(np.uint8), 0
    with archive.open(member) as stream:
        stream.read(header.length)
        while piece := stream.read(READ_BYTES):
            if filled + len(piece) > len(room):
                break
            room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
    if filled != len(room) or piece:
        raise InputError(f"{header.where}: the member is not of the size that the archive declares")
    return flat.reshape(header.shape, order="F" if header.is_fortran else "C")


def _map(path: str, member: zipfile.ZipInfo, header: _Header) -> np.ndarray:
    """The array of an uncompressed member, mapped from disk."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        local = file.read(30)
        name_length, extra_length = struct.unpack("<HH", local[26:30])
    offset = member.header_offset + 30 + name_length + extra_length + header.length
    if offset + math.prod(header.shape) * header.dtype.itemsize > os.path.getsize(path):
        raise InputError(f"{header.where}: the archive is cut short")
    return np.memmap(path, header.dtype, "r", offset, header.shape, "F" if header.is_fortran else "C")


class _NpzSource:
    """Images of one array of an archive: N x H x W x C or N x C x H x W."""

    def __init__(self, pixels: np.ndarray, where: str):
        self._pixels = pixels
        self._rows = images_at_once(pixels.shape[1:], pixels.dtype, where)
        if pixels.dtype != np.uint8:
            pixel_range = PixelRange(where, pixels.dtype)
            for start in range(0, len(pixels), self._rows):
                pixel_range.add(pixels[start : start + self._rows])
            pixel_range.check()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        count, height, width, channels = self._pixels.shape
        return count, height, width, channels

    def read(self, indices: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(to_uint8(np.asarray(self._pixels[indices])))


def _axes(shape: tuple[int, ...], where: str) -> tuple[int, int, int, int]:
    """Which axes of the array are N, H, W, C. Here the NumPy habit, channels last, wins where both would do."""
    if len(shape) == 4 and shape[3] in (1, 3):
        axes = (0, 1, 2, 3)
    elif len(shape) == 4 and shape[1] in (1, 3):
        axes = (0, 2, 3, 1)
    else:
        raise InputError(
            f"{where}: the shape is {shown_shape(shape)}; expected N x H x W x C or N x C x H x W with 1 or 3 channels"
        )
    check_extents(shape[0], shape[axes[1]], shape[axes[2]], where)
    return axes


def read_npz(path: str) -> image_sets.ImageSet:
    """Opens an image set in an .npz archive.

    Args:
        path: archive with an array `data`, `images` or `x` (N x H x W x C or N x C x H x W; uint8, or floats and
            integers in 0..255, rounded) and an array `label`, `labels` or `y` (N or N x 1 whole numbers), optionally
            `true_label`.

    Returns:
        An ImageSet named after the path.

    Raises:
        InputError: when the archive is damaged, holds objects, or does not hold what is described here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: reading it takes more memory than there is") from error
    except Exception as error:  # a decoder of untrusted bytes may raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: damaged or unreadable .npz archive ({reason})") from error


def _read(archive: zipfile.ZipFile, path: str) -> image_sets.ImageSet:
    member = _find(archive, _IMAGE_KEYS, path)
    header = _Header(archive, member, path)
    check_pixel_dtype(header.dtype, header.where)
    axes = _axes(header.shape, header.where)
    # Labels first: they are small, and show much of what may be wrong.
    images = header.shape[0]
    labels = _read_labels(archive, _LABEL_KEYS, path, images)
    has_true_labels = "true_label.npy" in archive.namelist()
    true_labels = _read_labels(archive, ("true_label",), path, images) if has_true_labels else None
    stored = member.compress_type == zipfile.ZIP_STORED
    pixels = _map(path, member, header) if stored else _load(archive, member, header)
    source = _NpzSource(pixels.transpose(axes), header.where)
    return image_sets.ImageSet(path, source, labels, true_labels=true_labels)


def _read_labels(archive: zipfile.ZipFile, keys: tuple[str, ...], path: str, images: int) -> np.ndarray:
    member = _find(archive, keys, path)
    header = _Header(archive, member, path)
    label_checks.check_label_shape(header.shape, images, header.where)
    return label_checks.checked_labels(_load(archive, member, header), images, header.where)
