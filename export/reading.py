"""Reads images for the device: files, folders and HDF5 sets, one image at a time.

It needs NumPy and the standard library; Pillow is imported for the first image file, h5py for the first HDF5 file. It
accepts what the pipeline accepts: `export.image_files`, `export.pixel_range` and `export.regular_files` serve both.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodnet.export.errors import InputError
from goodnet.export.hdf5_storage import check_dataset
from goodnet.export.image_files import SUFFIXES, BrokenImageError, WrongSizeError, read_image, reason, scaled
from goodnet.export.pixel_range import PixelRange, check_pixel_dtype, image_layout, images_at_once, to_uint8
from goodnet.export.regular_files import Entry, open_regular, walk

_HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class NamedImage:
    """An image: its path (`set.h5[12]` for one of a set) and its pixels, uint8 [H, W, C]."""

    path: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Unreadable:
    """What could not be read: its path, and why, in one line."""

    path: str
    reason: str


def read_images(
    path: str, image_shape: tuple[int, int, int], resize: bool = False
) -> Iterator[NamedImage | Unreadable]:
    """Reads what a path names, one image at a time.

    Args:
        path: an image file; a folder, whose image files are read at any depth, in order of name, a folder's own before
            those of its folders (no link in it is followed); or an HDF5 file with images in `data`, [N, C, H, W],
            [N, H, W, C] or [N, H, W], uint8 or numbers in 0..255 or in 0..1. Those of a set that are not uint8 are
            looked through before the first is yielded: only the whole set tells their scale.
        image_shape: (height, width, channels) that is wanted; files become grey for one channel, RGB for three.
        resize: whether files and sets of another size are scaled (bilinearly) to it.

    Yields:
        Images of that shape, and, in their place, what could not be read; nothing is raised.
    """
    if os.path.isdir(path):
        yield from _read_folder(path, image_shape, resize)
    elif _is_hdf5(path):
        yield from _read_hdf5(path, image_shape, resize)
    else:
        yield _read_file(path, image_shape, resize, follow_links=True)


def _read_folder(path: str, image_shape: tuple[int, int, int], resize: bool) -> Iterator[NamedImage | Unreadable]:
    empty = True
    for entry in walk(path):
        if isinstance(entry, OSError):
            empty = False
            yield Unreadable(str(entry.filename), reason(entry))
        elif entry.name.lower().endswith(SUFFIXES) or _is_link_to_folder(entry):
            empty = False
            if entry.oddity:
                yield Unreadable(entry.path, f"{entry.oddity}; expected a regular file")
            else:
                yield _read_file(entry.path, image_shape, resize, follow_links=False)
    if empty:
        yield Unreadable(path, f"no image files in this folder; expected {', '.join(SUFFIXES)}")


def _is_link_to_folder(entry: Entry) -> bool:
    """Whether there may be images behind a link, which nobody should believe to have been judged."""
    return entry.oddity is not None and os.path.isdir(entry.path)


def _read_file(
    path: str, image_shape: tuple[int, int, int], resize: bool, follow_links: bool
) -> NamedImage | Unreadable:
    height, width, channels = image_shape
    size = (height, width)
    try:
        if resize:
            return NamedImage(path, read_image(path, channels, follow_links=follow_links, resize_to=size))
        return NamedImage(path, read_image(path, channels, size, follow_links=follow_links))
    except ImportError:
        return Unreadable(path, "Pillow is not installed, which reads image files (pip install pillow)")
    except BrokenImageError as error:
        return Unreadable(path, str(error))
    except WrongSizeError as error:
        return Unreadable(path, _wrong_size(error.height, error.width, image_shape))


def _is_hdf5(path: str) -> bool:
    if path.lower().endswith(_HDF5_SUFFIXES):
        return True
    try:
        with open_regular(path) as file:
            return file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except (OSError, ValueError):
        return False


def _read_hdf5(path: str, image_shape: tuple[int, int, int], resize: bool) -> Iterator[NamedImage | Unreadable]:
    try:
        import h5py
    except ImportError:
        yield Unreadable(path, "h5py is not installed, which reads HDF5 files (pip install h5py)")
        return
    try:
        open_regular(path).close()
        with h5py.File(path, "r") as file:
            data = check_dataset(file, "data", "`data`")
            channels_first = _checked_layout(data, image_shape, resize)
            rows = images_at_once(data.shape[1:], data.dtype, "`data`")
            scale = 255.0
            if data.dtype != np.uint8:
                pixel_range = PixelRange("`data`", data.dtype)
                for start in range(0, len(data), rows):
                    pixel_range.add(data[start : start + rows])
                scale = pixel_range.scale()
            for start in range(0, len(data), rows):
                images = to_uint8(data[start : start + rows], scale)
                images = images.transpose(0, 2, 3, 1) if channels_first else images
                for offset, pixels in enumerate(images[..., None] if images.ndim == 3 else images):
                    yield NamedImage(f"{path}[{start + offset}]", scaled(pixels, image_shape[:2]))
    except Exception as error:  # h5py raises whatever a broken file makes of it.
        yield Unreadable(path, reason(error))


def _checked_layout(data: Any, image_shape: tuple[int, int, int], resize: bool) -> bool:
    """Whether channels come first in a set; it is refused before anything is read, if its images are not wanted."""
    (_, height, width, channels), channels_first = image_layout(data.shape, "`data`")
    check_pixel_dtype(data.dtype, "`data`")
    if channels != image_shape[2]:
        raise InputError(f"`data` is {data.shape}; expected images with {image_shape[2]} channels")
    if (height, width) != image_shape[:2] and not resize:
        raise InputError(_wrong_size(height, width, image_shape))
    return channels_first


def _wrong_size(height: int, width: int, image_shape: tuple[int, int, int]) -> str:
    return f"{height} x {width} pixels; expected {image_shape[0]} x {image_shape[1]} (--resize scales images)"
