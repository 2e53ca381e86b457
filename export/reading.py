"""Reads images for the device: files, folders, sets and streams, one image at a time.

It needs NumPy and the standard library; Pillow is imported for the first image file, h5py for the first HDF5 file. It
accepts what the pipeline accepts: `export.image_files`, `export.pixel_range` and `export.regular_files` serve both.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from goodnet.export.array_sets import read_hdf5, read_npy
from goodnet.export.errors import InputError
from goodnet.export.image_files import SUFFIXES, BrokenImageError, WrongSizeError, read_image, reason, scaled
from goodnet.export.raw_frames import read_frames
from goodnet.export.regular_files import Entry, open_regular, walk
from goodnet.export.watching import arrivals

_HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_NPY_MAGIC = b"\x93NUMPY"


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


@dataclass(frozen=True)
class ImageReader:
    """Reads images of the shape that a model takes. What cannot be read is yielded in its place; nothing is raised.

    Attributes:
        image_shape: (height, width, channels) that is wanted; files become grey for one channel, RGB for three.
        resize: whether images of another size are scaled (bilinearly) to it.
        turn: whether picture files are turned and mirrored as their EXIF data says.
        array: the name of the images in HDF5 sets; None for the one of `export.array_sets.IMAGE_NAMES` that is there.
    """

    image_shape: tuple[int, int, int]
    resize: bool = False
    turn: bool = False
    array: str | None = None

    def read(self, path: str) -> Iterator[NamedImage | Unreadable]:
        """Reads what a path names, one image at a time.

        Args:
            path: an image file; a folder, whose image files are read at any depth, in order of name, a folder's own
                before those of its folders (no link in it is followed); or an HDF5 or .npy file with images [N, C, H,
                W], [N, H, W, C] or [N, H, W], uint8 or numbers in 0..255 or in 0..1. Those of a set that are not uint8
                are looked through before the first is yielded: only the whole set tells their scale. A .npy file may
                also be one image, [H, W, C] or [H, W].
        """
        if os.path.isdir(path):
            yield from self._read_folder(path)
        elif _is_set(path, _HDF5_SUFFIXES, _HDF5_MAGIC):
            yield from self._read_set(path, lambda: read_hdf5(path, self.array, self._check_shape))
        elif _is_set(path, (".npy",), _NPY_MAGIC):
            yield from self._read_set(path, lambda: read_npy(path, self._check_shape))
        else:
            yield self._read_file(path, follow_links=True)

    def watch(self, folder: str, pause: Callable[[], bool]) -> Iterator[NamedImage | Unreadable]:
        """Reads the image files of a folder, and those that come into it, as `export.watching.arrivals` has them."""
        for entry in arrivals(folder, pause):
            yield from self._read_entry(entry)

    def read_raw(self, stream: BinaryIO, name: str, shape: tuple[int, int, int]) -> Iterator[NamedImage | Unreadable]:
        """Reads frames of raw pixels from a stream that is called so; as `export.raw_frames.read_frames`."""

        def frames() -> Iterator[np.ndarray]:
            self._check_shape(*shape)
            yield from read_frames(stream, shape)

        yield from self._read_set(name, frames)

    def _read_folder(self, path: str) -> Iterator[NamedImage | Unreadable]:
        empty = True
        for entry in walk(path):
            for found in self._read_entry(entry):
                empty = False
                yield found
        if empty:
            yield Unreadable(path, f"no image files in this folder; expected {', '.join(SUFFIXES)}")

    def _read_entry(self, entry: Entry | OSError) -> Iterator[NamedImage | Unreadable]:
        """An image file of a folder; nothing of files that are none."""
        if isinstance(entry, OSError):
            yield Unreadable(str(entry.filename), reason(entry))
        elif entry.name.lower().endswith(SUFFIXES) or _is_link_to_folder(entry):
            if entry.oddity:
                yield Unreadable(entry.path, f"{entry.oddity}; expected a regular file")
            else:
                yield self._read_file(entry.path, follow_links=False)

    def _read_file(self, path: str, follow_links: bool) -> NamedImage | Unreadable:
        size = self.image_shape[:2]
        wanted, resize_to = (None, size) if self.resize else (size, None)
        try:
            channels = self.image_shape[2]
            pixels = read_image(path, channels, wanted, follow_links, resize_to=resize_to, turn=self.turn)
            return NamedImage(path, pixels)
        except ImportError:
            return Unreadable(path, "Pillow is not installed, which reads image files (pip install pillow)")
        except BrokenImageError as error:
            return Unreadable(path, str(error))
        except WrongSizeError as error:
            return Unreadable(path, self._wrong_size(error.height, error.width))

    def _read_set(self, path: str, images: Callable[[], Iterable[np.ndarray]]) -> Iterator[NamedImage | Unreadable]:
        try:
            for index, pixels in enumerate(images()):
                yield NamedImage(f"{path}[{index}]", scaled(pixels, self.image_shape[:2]))
        except ImportError as error:
            missing = "pillow" if error.name == "PIL" else error.name or reason(error)
            yield Unreadable(path, f"{missing} is not installed, which reads this (pip install {missing})")
        except Exception as error:  # A decoder of untrusted bytes may raise anything.
            yield Unreadable(path, reason(error))

    def _check_shape(self, height: int, width: int, channels: int) -> None:
        """Refuses a set before anything of it is read, if its images are not wanted."""
        if channels != self.image_shape[2]:
            raise InputError(f"images with {channels} channels; expected {self.image_shape[2]}")
        if (height, width) != self.image_shape[:2] and not self.resize:
            raise InputError(self._wrong_size(height, width))

    def _wrong_size(self, height: int, width: int) -> str:
        expected = f"{self.image_shape[0]} x {self.image_shape[1]}"
        return f"{height} x {width} pixels; expected {expected} (--resize scales images)"


def _is_link_to_folder(entry: Entry) -> bool:
    """Whether there may be images behind a link, which nobody should believe to have been judged."""
    return entry.oddity is not None and os.path.isdir(entry.path)


def _is_set(path: str, suffixes: tuple[str, ...], magic: bytes) -> bool:
    if path.lower().endswith(suffixes):
        return True
    try:
        with open_regular(path) as file:
            return file.read(len(magic)) == magic
    except (OSError, ValueError):
        return False
