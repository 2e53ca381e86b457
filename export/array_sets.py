"""Reads arrays of images, some images at a time: `.npy` files, and HDF5 files by h5py, imported for the first one."""

import contextlib
import io
import math
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from goodnet.export.errors import InputError
from goodnet.export.hdf5_storage import check_dataset
from goodnet.export.npy_header import NpyHeader, read_header
from goodnet.export.pixel_range import PixelRange, check_pixel_dtype, image_layout, images_at_once, to_uint8
from goodnet.export.regular_files import open_regular

# What people call an array of images; `data` is CSAW's.
IMAGE_NAMES = ("data", "images", "image", "x", "X")


def read_hdf5(path: str, array: str | None, check: Callable[[int, int, int], None]) -> Iterator[np.ndarray]:
    """Reads the images of an HDF5 set.

    Args:
        path: of the file.
        array: the dataset that holds them; None for the one of `IMAGE_NAMES` that is there.
        check: is given height, width and channels of the images before any is read, and raises if they are not wanted.

    Yields:
        uint8 [H, W, C] each.

    Raises:
        InputError: the images are not numbers of one of the layouts in `export.pixel_range`, or there are none.
        ImportError: h5py is not installed.
        Exception: whatever h5py makes of a damaged file.
    """
    import h5py

    open_regular(path).close()
    with h5py.File(path, "r") as file:
        name = array or _only_name(file)
        yield from _images(check_dataset(file, name, f"`{name}`"), f"`{name}`", check)


def read_npy(path: str, check: Callable[[int, int, int], None]) -> Iterator[np.ndarray]:
    """Reads the images of a .npy file: a set, or one image, [H, W] or [H, W, C]; otherwise as `read_hdf5`."""
    with contextlib.closing(open_regular(path)) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        header = read_header(file.read, size, "the array")
        if header.is_fortran:
            raise InputError("the array is in Fortran order; expected C order (numpy.ascontiguousarray)")
        yield from _images(_NpyRows(file, header), "the array", check)


class _NpyRows:
    """The images of a .npy file, read where they lie."""

    def __init__(self, file: BinaryIO, header: NpyHeader) -> None:
        shape = header.shape
        is_one = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
        self.shape = (1, *shape) if is_one else shape
        self.dtype = header.dtype
        self._file, self._start = file, header.length

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        self._file.seek(self._start + start * size)
        return np.frombuffer(self._file.read((stop - start) * size), self.dtype).reshape(stop - start, *self.shape[1:])


def _only_name(file: Any) -> str:
    found = [name for name in IMAGE_NAMES if name in file]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"`{name}`" for name in found or IMAGE_NAMES)
    if found:
        raise InputError(f"images could be {names}; expected one of them, or --array=NAME")
    raise InputError(f"no images in it; expected a dataset {names}, or --array=NAME")


def _images(data: Any, where: str, check: Callable[[int, int, int], None]) -> Iterator[np.ndarray]:
    (_, height, width, channels), channels_first = image_layout(data.shape, where)
    check_pixel_dtype(data.dtype, where)
    check(height, width, channels)
    rows = images_at_once(data.shape[1:], data.dtype, where)
    scale = 255.0
    if data.dtype != np.uint8:
        pixel_range = PixelRange(where, data.dtype)
        for start in range(0, len(data), rows):
            pixel_range.add(data[start : start + rows])
        scale = pixel_range.scale()
    for start in range(0, len(data), rows):
        images = to_uint8(data[start : start + rows], scale)
        images = images.transpose(0, 2, 3, 1) if channels_first else images
        yield from images[..., None] if images.ndim == 3 else images
