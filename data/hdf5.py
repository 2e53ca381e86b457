"""Image sets in HDF5, read as a stream; written in the layout of CSAW-HackML-2020.

In that, `data` is N x C x H x W, uint8 or float in 0..255, and `label` is N. Ours may add `true_label` (N), `landmarks`
(N x K x 2) and `class_names`. Other names and layouts are read, too.

The file is untrusted: `data.hdf5_serving` reads it in a process of its own and checks how it is stored; what it holds
is checked here.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import uuid
from typing import Any

import h5py
import numpy as np
from absl import logging

from goodnet.data import image_set as image_sets
from goodnet.data.array_names import TRUE_LABELS, find_pair
from goodnet.data.class_names import normal
from goodnet.data.errors import InputError
from goodnet.data.hdf5_reader import Hdf5Reader
from goodnet.data.hdf5_serving import CLASS_NAMES, LANDMARKS
from goodnet.data.hdf5_writing import new_hdf5_file
from goodnet.data.labels import read_labels
from goodnet.data.stored_array import blocks
from goodnet.data.stored_images import StoredImages
from goodnet.data.use import Use
from goodnet.export.pixel_range import check_pixel_dtype, image_layout, shown_shape

_MAX_LANDMARKS_BYTES = 2**28
_WRITE_CHUNK = 64


class Hdf5Array:
    """A dataset of numbers in an HDF5 file. It can be pickled: the file is then opened again."""

    is_quick = False

    def __init__(self, path: str, name: str, reader: Hdf5Reader):
        """The dataset `name` of a file.

        Raises:
            InputError: it is not stored whole in the file itself.
        """
        self._path, self._name = path, name
        self._lock = threading.Lock()
        self._reader: Hdf5Reader | None = reader
        self._member = member = reader.member(name)
        self.where = f'{path}, "{name}"'
        self.shape, self.dtype, self.chunk_rows = member.shape, member.dtype, member.chunk_rows

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_reader": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def rows(self, first: int, last: int) -> np.ndarray:
        """As `StoredArray.rows`."""
        return self._opened().rows(self._name, first, last)

    def _opened(self) -> Hdf5Reader:
        with self._lock:
            if self._reader is None:
                if not os.path.isfile(self._path):
                    raise InputError(f"{self._path}: gone while it was in use")
                reader = Hdf5Reader(self._path)
                if reader.member(self._name) != self._member:
                    raise InputError(f"{self._path}: changed while it was in use")
                self._reader = reader
            return self._reader


def _landmarks(reader: Hdf5Reader, path: str, images: int) -> np.ndarray:
    array = Hdf5Array(path, LANDMARKS, reader)
    shape = array.shape
    if len(shape) != 3 or shape[0] != images or shape[2] != 2 or array.dtype.kind != "f":
        raise InputError(
            f"{array.where}: {str(array.dtype)[:60]} of shape {shown_shape(shape)}; "
            f"expected floats of shape [{images}, K, 2]"
        )
    size = math.prod(shape) * array.dtype.itemsize
    if size > _MAX_LANDMARKS_BYTES:
        raise InputError(f"{array.where}: {size} bytes; expected at most {_MAX_LANDMARKS_BYTES}")
    return np.concatenate([rows for _, rows in blocks(array)])


def _class_names(reader: Hdf5Reader, path: str) -> tuple[str, ...] | None:
    reader.member(CLASS_NAMES)
    names = reader.texts(CLASS_NAMES)
    if names is None:
        logging.warning('%s, "class_names": texts of variable length are not read; classes go by their numbers', path)
        return None
    return tuple(map(normal, names))


def read_hdf5(path: str, use: Use = Use.CLEAN) -> image_sets.ImageSet:
    """Opens an image set in HDF5; the images stay on disk.

    Args:
        path: file with a dataset of images (as `StoredImages` takes them) and one of labels (as `read_labels` does),
            under the names of `data.array_names`; beside a whole set's, optionally `true_label`, `landmarks` and
            `class_names` (texts of fixed length, `h5py.string_dtype("utf-8", LENGTH)`; others are left alone with a
            warning). Pixels that are not uint8 are checked in one streaming pass and rounded when read.
        use: what for, where the file holds several parts.

    Returns:
        An ImageSet named after the path.

    Raises:
        InputError: when the file is missing, damaged, incomplete, refers to other files, or does not hold what is
            described here.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    reader = Hdf5Reader(path)
    pair = find_pair(reader.names, path, use)
    pixels = Hdf5Array(path, pair.images, reader)
    check_pixel_dtype(pixels.dtype, pixels.where)
    (images, *_), _ = image_layout(pixels.shape, pixels.where)
    side = reader.names if pair.is_whole else ()
    labels = read_labels(Hdf5Array(path, pair.labels, reader), images)
    true_labels = read_labels(Hdf5Array(path, TRUE_LABELS, reader), images) if TRUE_LABELS in side else None
    landmarks = _landmarks(reader, path, images) if LANDMARKS in side else None
    class_names = _class_names(reader, path) if CLASS_NAMES in side else None
    return image_sets.ImageSet(path, StoredImages(pixels), labels, class_names, true_labels, landmarks)


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
