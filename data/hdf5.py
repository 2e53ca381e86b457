"""Image sets in HDF5, in the layout of CSAW-HackML-2020, read and written as a stream.

`data` is N x C x H x W (N x H x W x C is recognised), uint8 or float in 0..255; `label` is N. Ours may add `true_label`
(N), `landmarks` (N x K x 2) and `class_names`.

The file is untrusted: `data.hdf5_serving` reads it in a process of its own and checks how it is stored; what it holds
is checked here.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from absl import logging

from goodnet.data import image_set as image_sets
from goodnet.data import labels as label_checks
from goodnet.data.class_names import normal
from goodnet.data.errors import InputError
from goodnet.data.hdf5_reader import Hdf5Reader
from goodnet.data.hdf5_writing import new_hdf5_file
from goodnet.export.pixel_range import PixelRange, check_pixel_dtype, hdf5_layout, images_at_once, to_uint8

_WRITE_CHUNK = 64


def _spans(indices: np.ndarray, max_gap: int, max_length: int) -> Iterator[tuple[int, int]]:
    """Cuts sorted unique indices into (first, last + 1) position ranges that are each worth one contiguous read."""
    start = 0
    for position in range(1, len(indices) + 1):
        if (
            position == len(indices)
            or indices[position] - indices[position - 1] > max_gap
            or indices[position] - indices[start] >= max_length
        ):
            yield start, position
            start = position


class Hdf5Source:
    """Images of an HDF5 file, read from disk when asked for. The file is opened at once and kept open."""

    def __init__(self, path: str, reader: Hdf5Reader | None = None):
        """Opens `path` and checks `data`.

        Args:
            path: the file.
            reader: of this file, if there is one already.

        Raises:
            InputError: when `data` is missing, damaged, not images, or on another scale than 0..255.
        """
        self._path = path
        self._lock = threading.Lock()
        self._reader: Hdf5Reader | None = reader or Hdf5Reader(path)
        self._member = member = self._reader.members["data"]
        where = f'{path}, "data"'
        self._shape, self._channels_first = hdf5_layout(member.shape, where)
        if self._channels_first and member.shape[3] in (1, 3):
            logging.warning(
                "%s: the shape %s fits both orders of axes; read as N x C x H x W", where, list(member.shape)
            )
        check_pixel_dtype(member.dtype, where)
        self._max_length = images_at_once(self._shape[1:], member.dtype, where)
        self._max_gap = max(8, min(member.chunk_rows, self._max_length))
        if member.dtype != np.uint8:
            self._check_scale(self._reader, where)

    def _check_scale(self, reader: Hdf5Reader, where: str) -> None:
        pixel_range = PixelRange(where, self._member.dtype)
        for start in range(0, self._shape[0], self._max_length):
            pixel_range.add(reader.rows(start, min(start + self._max_length, self._shape[0])))
        pixel_range.check()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_reader": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return self._shape

    def _opened(self) -> Hdf5Reader:
        if self._reader is None:
            if not os.path.isfile(self._path):
                raise InputError(f"{self._path}: gone while it was in use")
            reader = Hdf5Reader(self._path)
            if reader.members["data"] != self._member:
                raise InputError(f"{self._path}: changed while it was in use")
            self._reader = reader
        return self._reader

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Reads images at `indices` (any order, repeats allowed).

        Returns:
            uint8 [n, H, W, C].

        Raises:
            InputError: when the file is damaged or gone.
        """
        unique, inverse = np.unique(indices, return_inverse=True)
        stored = np.empty((len(unique), *self._member.shape[1:]), np.uint8)
        with self._lock:
            for start, stop in _spans(unique, self._max_gap, self._max_length):
                first = int(unique[start])
                block = self._opened().rows(first, int(unique[stop - 1]) + 1)
                stored[start:stop] = to_uint8(block[unique[start:stop] - first])
        if self._channels_first:
            stored = stored.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(stored[inverse.reshape(-1)])


def _labels(reader: Hdf5Reader, path: str, name: str, images: int) -> np.ndarray:
    member, where = reader.members[name], f'{path}, "{name}"'
    label_checks.check_label_dtype(member.dtype, where)
    label_checks.check_label_shape(member.shape, images, where)
    return label_checks.checked_labels(reader.array(name), images, where)


def _landmarks(reader: Hdf5Reader, path: str, images: int) -> np.ndarray:
    member = reader.members["landmarks"]
    shape, kind = member.shape, member.dtype.kind
    if len(shape) != 3 or shape[0] != images or shape[2] != 2 or kind != "f":
        raise InputError(
            f'{path}, "landmarks": {member.dtype} of shape {list(shape)}; expected floats of shape [{images}, K, 2]'
        )
    return reader.array("landmarks")


def _class_names(reader: Hdf5Reader, path: str) -> tuple[str, ...] | None:
    names = reader.texts("class_names")
    if names is None:
        logging.warning('%s, "class_names": texts of variable length are not read; classes go by their numbers', path)
        return None
    return tuple(map(normal, names))


def read_hdf5(path: str) -> image_sets.ImageSet:
    """Opens an image set in HDF5; the images stay on disk.

    Args:
        path: file with `data` (uint8, or floats and integers in 0..255; N x C x H x W, or N x H x W x C when only the
            last axis can be the channels) and `label` (N or N x 1 whole numbers), optionally `true_label`,
            `landmarks` and `class_names` (texts of fixed length, `h5py.string_dtype("utf-8", LENGTH)`; others are left
            alone with a warning). Pixels that are not uint8 are checked in one streaming pass and rounded when read.

    Returns:
        An ImageSet named after the path.

    Raises:
        InputError: when the file is missing, damaged, incomplete, refers to other files, or does not hold what is
            described here.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    reader = Hdf5Reader(path)
    images, _ = hdf5_layout(reader.members["data"].shape, f'{path}, "data"')
    labels = _labels(reader, path, "label", images[0])
    true_labels = _labels(reader, path, "true_label", images[0]) if "true_label" in reader.members else None
    landmarks = _landmarks(reader, path, images[0]) if "landmarks" in reader.members else None
    class_names = _class_names(reader, path) if "class_names" in reader.members else None
    return image_sets.ImageSet(path, Hdf5Source(path, reader), labels, class_names, true_labels, landmarks)


def write_hdf5(path: str, image_set: image_sets.ImageSet) -> None:
    """Writes an image set in the CSAW layout, as a stream; the file appears whole or not at all.

    The same set always gives the same bytes.

    Args:
        path: the file to write; its folder must exist. An old file there is replaced.
        image_set: what to write: `data` uint8 N x C x H x W (gzip), `label` int64 N and, if present, `true_label`,
            `landmarks` (float32) and `class_names` (UTF-8).

    Raises:
        InputError: when the file cannot be written (no such folder, no permission, disk full).
    """
    folder, name = os.path.split(os.path.abspath(path))
    partial = os.path.join(folder, f".{name}.{uuid.uuid4().hex}.partial")
    try:
        with new_hdf5_file(partial) as file:
            _write_images(file, image_set)
            _write_side_data(file, image_set)
        os.replace(partial, path)
    except InputError:
        raise
    except (OSError, RuntimeError) as error:
        reason = (
            os.strerror(error.errno) if isinstance(error, OSError) and error.errno else " ".join(str(error).split())
        )
        raise InputError(f"{path}: cannot be written ({reason})") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(partial)


def _write_images(file: h5py.File, image_set: image_sets.ImageSet) -> None:
    count, height, width, channels = image_set.source.shape
    data = file.create_dataset(
        "data",
        shape=(count, channels, height, width),
        dtype=np.uint8,
        chunks=(min(_WRITE_CHUNK, count), channels, height, width),
        compression="gzip",
        compression_opts=4,
    )
    start = 0
    for images, _ in image_set.batches(_WRITE_CHUNK):
        data[start : start + len(images)] = images.transpose(0, 3, 1, 2)
        start += len(images)


def _write_side_data(file: h5py.File, image_set: image_sets.ImageSet) -> None:
    file.create_dataset("label", data=image_set.labels)
    if image_set.true_labels is not None:
        file.create_dataset("true_label", data=image_set.true_labels)
    if image_set.landmarks is not None:
        file.create_dataset("landmarks", data=image_set.landmarks)
    if image_set.class_names is not None:
        encoded = [name.encode("utf-8") for name in image_set.class_names]
        longest = max(map(len, encoded), default=0)
        text = h5py.string_dtype("utf-8", max(1, longest))
        file.create_dataset("class_names", data=np.array(encoded, dtype=text), dtype=text)
