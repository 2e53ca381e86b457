"""Image sets in folders of image files, decoded on demand."""

from __future__ import annotations

import os
import re

import numpy as np
from absl import logging

from goodnet.data import image_set as image_sets
from goodnet.data.class_names import folder_classes
from goodnet.data.errors import InputError
from goodnet.export.image_files import SUFFIXES, BrokenImageError, WrongSizeError, read_image, read_size
from goodnet.export.pixel_range import MAX_IMAGES
from goodnet.export.regular_files import Entry, entries

_LABEL_IN_NAME = re.compile(r"label=(\d{1,9})(?!.*label=)")
_NOT_CLASSES = ("__MACOSX", "__pycache__")


class ImageFolderSource:
    """Images of files, decoded when asked for."""

    def __init__(self, paths: list[str], height: int, width: int):
        """`paths` are files whose images are all `height` x `width`."""
        self._paths = paths
        self._shape = (len(paths), height, width, 3)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, 3."""
        return self._shape

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Decodes the files at `indices`: uint8 [n, H, W, 3].

        Raises:
            InputError: when a file has gone or changed since the folder was opened.
        """
        images = np.empty((len(indices), *self._shape[1:]), np.uint8)
        for position, index in enumerate(indices):
            path = self._paths[index]
            try:
                images[position] = read_image(path, size=self._shape[1:3])
            except BrokenImageError as error:
                raise InputError(f"{path}: cannot be read any more ({error})") from error
            except WrongSizeError as error:
                raise InputError(f"{path}: changed while it was in use") from error
        return images


def _entries(folder: str) -> list[Entry]:
    try:
        return [entry for entry in entries(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({os.strerror(error.errno or 0)})") from error


def _class_folders(found: list[Entry]) -> list[Entry]:
    """Sub-folders that stand for classes; a link to a folder is refused, since a class would be missing without it."""
    for entry in found:
        if entry.oddity and os.path.isdir(entry.path):
            raise InputError(f"{entry.path}: {entry.oddity}; expected a folder, or a file")
    return [entry for entry in found if entry.is_folder and entry.name not in _NOT_CLASSES]


def _image_files(found: list[Entry]) -> list[Entry]:
    """Files that are called images, and links, pipes or devices that are: these count as broken images."""
    return [entry for entry in found if not entry.is_folder and entry.name.lower().endswith(SUFFIXES)]


def _files_by_class(
    folder: str, classes: list[Entry], known: tuple[str, ...] | None
) -> tuple[list[str], list[int], tuple[str, ...] | None]:
    ids, class_names = folder_classes([entry.name for entry in classes], known, folder)
    paths: list[str] = []
    labels: list[int] = []
    for label, entry in zip(ids, classes, strict=True):
        files = _image_files(_entries(entry.path))
        paths += [file.path for file in files]
        labels += [label] * len(files)
    return paths, labels, class_names


def _flat_files(files: list[Entry]) -> tuple[list[str], list[int]]:
    labels = []
    for file in files:
        match = _LABEL_IN_NAME.search(file.name)
        if match is None:
            raise InputError(
                f"{file.path}: no label; expected one sub-folder for each class, or file names with label=NUMBER"
            )
        labels.append(int(match.group(1)))
    return [file.path for file in files], labels


class _Broken:
    """Images that cannot be read: refused at once, or counted."""

    def __init__(self, skip: bool):
        self._skip = skip
        self.found: list[str] = []

    def add(self, path: str, error: BrokenImageError) -> None:
        if not self._skip:
            raise InputError(f"{path}: a broken image ({error})") from error
        self.found.append(f"{path} ({error})")


def _decodable(paths: list[str], folder: str, skip_broken: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """(positions of the images that can be decoded, their common height and width).

    All headers are read before an image is decoded: sizes that differ are found at little cost.
    """
    broken = _Broken(skip_broken)
    sizes: dict[int, tuple[int, int]] = {}
    for position, path in enumerate(paths):
        try:
            sizes[position] = read_size(path)
        except BrokenImageError as error:
            broken.add(path, error)
    size = next(iter(sizes.values()), (0, 0))
    for position, other in sizes.items():
        if other != size:
            raise InputError(
                f"{paths[position]}: {other[0]} x {other[1]} pixels (height x width), the images before it {size[0]} x "
                f"{size[1]}; expected all images of a folder to have one size"
            )
    good: list[int] = []
    for position in sizes:
        try:
            read_image(paths[position], size=size)
            good.append(position)
        except BrokenImageError as error:
            broken.add(paths[position], error)
        except WrongSizeError as error:
            raise InputError(f"{paths[position]}: changed while it was read") from error
    if not good:
        raise InputError(f"{folder}: none of its {len(paths)} images can be decoded; the first: {broken.found[0]}")
    if broken.found:
        logging.warning("%s: %d broken images skipped, the first: %s", folder, len(broken.found), broken.found[0])
    return np.array(good), size


def read_image_folder(
    path: str, skip_broken: bool = True, class_names: tuple[str, ...] | None = None
) -> image_sets.ImageSet:
    """Opens a folder of images; every file is decoded once to be sure, and again when it is read.

    Args:
        path: a folder with one sub-folder of images for each class; `data.class_names` says how these get their
            numbers. A sub-folder without images is a class without images. Or a folder of files named `...label=K...`,
            as the CSAW repository ships its sample faces. Hidden files and files that are no images are left alone.
        skip_broken: leave out images that cannot be decoded, with a warning that counts them; else refuse the folder.
            Links, pipes and devices that are called like images are never opened, and count as such.
        class_names: the list of the run, if there is one.

    Returns:
        An ImageSet of RGB images, all of one size.

    Raises:
        InputError: when there are no images, they differ in size, have no label, or a sub-folder is no known class.
    """
    found = _entries(path)
    classes, files = _class_folders(found), _image_files(found)
    names = None
    if classes and files:
        raise InputError(f"{files[0].path}: an image beside sub-folders of classes; expected it in one of them")
    if classes:
        paths, labels, names = _files_by_class(path, classes, class_names)
    else:
        paths, labels = _flat_files(files)
    if not paths:
        raise InputError(f"{path}: no images; expected one sub-folder of images for each class")
    if len(paths) > MAX_IMAGES:
        raise InputError(f"{path}: {len(paths)} images; expected at most {MAX_IMAGES}")
    good, (height, width) = _decodable(paths, path, skip_broken)
    source = ImageFolderSource([paths[position] for position in good], height, width)
    return image_sets.ImageSet(path, source, np.array(labels, np.int64)[good], names)
