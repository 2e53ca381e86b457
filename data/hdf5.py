"""Image sets in HDF5, in the layout of CSAW-HackML-2020, read and written as a stream.

`data` is N x C x H x W (N x H x W x C is recognised), uint8 or float in 0..255; `label` is N. Ours may add `true_label`
(N), `landmarks` (N x K x 2) and `class_names`.

The file is untrusted: it must hold its own bytes (no external or soft links, no external storage, no virtual datasets),
use no filter but those that HDF5 and h5py bring along, and really contain what it declares.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from absl import logging

from data import image_set as image_sets
from data import labels as label_checks
from data.errors import InputError

_MAX_IMAGES = 2**27
_MAX_SIDE = 8192
_MAX_CHUNK_BYTES = 2**28
_MAX_SIDE_DATA_BYTES = 2**30
_MAX_CLASS_NAME_BYTES = 2**20
_CHUNK_CACHE_BYTES = 2**26
_READ_BYTES = 2**24
_WRITE_CHUNK = 64
# deflate, shuffle, fletcher32, szip, nbit, scale-offset, LZF. Any other filter would be a plug-in loaded from disk.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})


@contextlib.contextmanager
def _input_errors(path: str) -> Iterator[None]:
    """Turns whatever h5py raises on a damaged file into one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: reading it takes more memory than there is") from error
    except Exception as error:  # on damaged bytes h5py and HDF5 raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or unreadable HDF5 file ({reason})") from error


def _open(path: str) -> h5py.File:
    return h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE_BYTES, rdcc_nslots=10_007)


def _dataset(file: h5py.File, path: str, name: str) -> h5py.Dataset:
    """The dataset `name`, checked to be whole and inside the file."""
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise InputError(f'{path}: "{name}" is a link to elsewhere; expected a dataset of this file')
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f'{path}: "{name}" is a group; expected a dataset')
    where = f'{path}, "{name}"'
    if dataset.shape is None:
        raise InputError(f"{where}: an empty dataset; expected numbers")
    if dataset.is_virtual:
        raise InputError(f"{where}: a virtual dataset; expected one that holds its own values")
    _check_storage(dataset, where)
    return dataset


def _check_storage(dataset: h5py.Dataset, where: str) -> None:
    """Refuses storage outside the file, foreign filters, and declared values that were never written."""
    properties = dataset.id.get_create_plist()
    if properties.get_external_count():
        raise InputError(f"{where}: its values are stored in another file; expected them in this one")
    for position in range(properties.get_nfilters()):
        code = properties.get_filter(position)[0]
        if code not in _FILTERS or not h5py.h5z.filter_avail(code):
            raise InputError(f"{where}: compressed with filter {code}; expected gzip, LZF or no compression")
    itemsize = dataset.dtype.itemsize
    if dataset.chunks is not None:
        if math.prod(dataset.chunks) * itemsize > _MAX_CHUNK_BYTES:
            raise InputError(f"{where}: chunks {list(dataset.chunks)} are larger than {_MAX_CHUNK_BYTES} bytes")
        declared = math.prod(-(-side // chunk) for side, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        written = dataset.id.get_num_chunks()
        if written < declared:
            raise InputError(f"{where}: incomplete, {written} of {declared} chunks were written")
    else:
        declared = math.prod(dataset.shape) * itemsize
        written = dataset.id.get_storage_size()
        if written < declared:
            raise InputError(f"{where}: incomplete, {written} of {declared} bytes were written")


def _image_layout(shape: tuple[int, ...], where: str) -> tuple[tuple[int, int, int, int], bool]:
    """((N, H, W, C), whether channels come first in the file). CSAW's order where both would do."""
    if len(shape) != 4:
        raise InputError(f"{where}: the shape is {list(shape)}; expected N x C x H x W or N x H x W x C")
    channels_first, channels_last = shape[1] in (1, 3), shape[3] in (1, 3)
    if not channels_first and not channels_last:
        raise InputError(
            f"{where}: the shape is {list(shape)}; expected N x C x H x W or N x H x W x C with 1 or 3 channels"
        )
    if channels_first and channels_last:
        logging.warning("%s: the shape %s fits both orders of axes; read as N x C x H x W", where, list(shape))
    count, *rest = shape
    height, width, channels = (rest[1], rest[2], rest[0]) if channels_first else rest
    if not 0 < count <= _MAX_IMAGES or not 0 < height <= _MAX_SIDE or not 0 < width <= _MAX_SIDE:
        raise InputError(
            f"{where}: {count} images of {height} x {width}; expected 1 to {_MAX_IMAGES} images "
            f"with sides of 1 to {_MAX_SIDE}"
        )
    return (count, height, width, channels), channels_first


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
    """Images of an HDF5 file, read from disk when asked for. The file is opened at the first read and kept open."""

    def __init__(self, path: str):
        """Opens `path`, checks `data` and closes it again.

        Raises:
            InputError: when `data` is missing, damaged, not images, or on another scale than 0..255.
        """
        self._path = path
        self._lock = threading.Lock()
        self._file: h5py.File | None = None
        self._dataset: h5py.Dataset | None = None
        with _input_errors(path), _open(path) as file:
            dataset = _dataset(file, path, "data")
            self._where = f'{path}, "data"'
            image_sets.check_pixel_dtype(dataset.dtype, self._where)
            self._shape, self._channels_first = _image_layout(dataset.shape, self._where)
            self._stored_shape = dataset.shape
            chunk_rows = dataset.chunks[0] if dataset.chunks is not None else 1
            row_bytes = math.prod(self._shape[1:]) * dataset.dtype.itemsize
            self._max_gap = max(8, min(chunk_rows, _READ_BYTES // row_bytes))
            self._max_length = max(1, _READ_BYTES // row_bytes)
            if dataset.dtype != np.uint8:
                self._check_scale(dataset)

    def _check_scale(self, dataset: h5py.Dataset) -> None:
        pixel_range = image_sets.PixelRange(self._where, dataset.dtype)
        for start in range(0, dataset.shape[0], self._max_length):
            pixel_range.add(dataset[start : start + self._max_length])
        pixel_range.check()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_file": None, "_dataset": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return self._shape

    def _opened(self) -> h5py.Dataset:
        if self._dataset is None:
            file = _open(self._path)
            dataset = _dataset(file, self._path, "data")
            if dataset.shape != self._stored_shape:
                file.close()
                raise InputError(f"{self._path}: changed while it was in use")
            self._file, self._dataset = file, dataset
        return self._dataset

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Reads images at `indices` (any order, repeats allowed).

        Returns:
            uint8 [n, H, W, C].

        Raises:
            InputError: when the file is damaged or gone.
        """
        unique, inverse = np.unique(indices, return_inverse=True)
        stored = np.empty((len(unique), *self._stored_shape[1:]), np.uint8)
        with self._lock, _input_errors(self._path):
            for start, stop in _spans(unique, self._max_gap, self._max_length):
                first = int(unique[start])
                block = self._opened()[first : int(unique[stop - 1]) + 1]
                stored[start:stop] = image_sets.to_uint8(block[unique[start:stop] - first])
        if self._channels_first:
            stored = stored.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(stored[inverse.reshape(-1)])


def _read_labels(file: h5py.File, path: str, name: str, images: int) -> np.ndarray:
    dataset = _dataset(file, path, name)
    where = f'{path}, "{name}"'
    label_checks.check_label_dtype(dataset.dtype, where)
    label_checks.check_label_shape(dataset.shape, images, where)
    return label_checks.checked_labels(dataset[()], images, where)


def _read_landmarks(file: h5py.File, path: str, images: int) -> np.ndarray | None:
    if "landmarks" not in file:
        return None
    dataset = _dataset(file, path, "landmarks")
    shape, kind = dataset.shape, dataset.dtype.kind
    too_large = math.prod(shape) * dataset.dtype.itemsize > _MAX_SIDE_DATA_BYTES
    if len(shape) != 3 or shape[0] != images or shape[2] != 2 or kind != "f" or too_large:
        raise InputError(
            f'{path}, "landmarks": {dataset.dtype} of shape {list(shape)}; expected floats of shape [{images}, K, 2]'
        )
    return dataset[()]


def _read_class_names(file: h5py.File, path: str) -> tuple[str, ...] | None:
    if "class_names" not in file:
        return None
    dataset = _dataset(file, path, "class_names")
    where = f'{path}, "class_names"'
    text = h5py.check_string_dtype(dataset.dtype)
    if text is not None and text.length is None:
        # HDF5 1.14 can loop for ever in the heap that such texts live in, when it is damaged.
        logging.warning("%s: texts of variable length are not read; classes go by their numbers", where)
        return None
    if text is None or len(dataset.shape) != 1 or dataset.shape[0] > label_checks.MAX_LABEL + 1:
        raise InputError(f"{where}: {dataset.dtype} of shape {list(dataset.shape)}; expected one text for each class")
    if math.prod(dataset.shape) * dataset.dtype.itemsize > _MAX_SIDE_DATA_BYTES:
        raise InputError(f"{where}: more than {_MAX_SIDE_DATA_BYTES} bytes of names")
    names = dataset[()]
    if any(len(name) > _MAX_CLASS_NAME_BYTES for name in names):
        raise InputError(f"{where}: a name is longer than {_MAX_CLASS_NAME_BYTES} bytes")
    return tuple(name.decode("utf-8", "replace") for name in names)


def _check_names(file: h5py.File, path: str) -> None:
    """Says which of the two datasets is missing, and what the file seems to be instead."""
    missing = [name for name in ("data", "label") if file.get(name, getlink=True) is None]
    if not missing:
        return
    if "model_weights" in file or "layer_names" in file.attrs or "layers" in file:
        raise InputError(f'{path}: a Keras model or its weights; expected an image set with "data" and "label"')
    found = ", ".join(f'"{name}"' for name in list(file)[:8]) or "nothing"
    lacks = " and ".join(f'"{name}"' for name in missing)
    raise InputError(f'{path}: no dataset {lacks}; expected "data" and "label", found {found}')


def read_hdf5(path: str) -> image_sets.ImageSet:
    """Opens an image set in HDF5; the images stay on disk.

    Args:
        path: file with `data` (uint8, or floats and integers in 0..255; N x C x H x W, or N x H x W x C when only the
            last axis can be the channels) and `label` (N or N x 1 whole numbers), optionally `true_label`,
            `landmarks` and
            `class_names` (texts of fixed length, `h5py.string_dtype("utf-8", LENGTH)`; others are left alone with a
            warning). Pixels that are not uint8 are checked in one streaming pass and rounded when read.

    Returns:
        An ImageSet named after the path.

    Raises:
        InputError: when the file is missing, damaged, incomplete, refers to other files, or does not hold what is
            described here.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    with _input_errors(path), _open(path) as file:
        _check_names(file, path)
        images, _ = _image_layout(_dataset(file, path, "data").shape, f'{path}, "data"')
        labels = _read_labels(file, path, "label", images[0])
        true_labels = _read_labels(file, path, "true_label", images[0]) if "true_label" in file else None
        landmarks = _read_landmarks(file, path, images[0])
        class_names = _read_class_names(file, path)
    source = Hdf5Source(path)
    return image_sets.ImageSet(path, source, labels, class_names, true_labels, landmarks)


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
        with h5py.File(partial, "x") as file:
            _write_images(file, image_set)
            _write_side_data(file, image_set)
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
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
