"""Image sets in folders of image files, decoded on demand."""

from __future__ import annotations

import os
import re

import numpy as np
from absl import logging
from PIL import Image

from data import image_set as image_sets
from data import labels as label_checks
from data.errors import InputError

_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".gif", ".webp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP", "TIFF")
_MAX_PIXELS = 8192 * 8192
_LABEL_IN_NAME = re.compile(r"label=(\d{1,9})(?!.*label=)")
_NOT_CLASSES = ("__MACOSX", "__pycache__")


class BrokenImageError(Exception):
    """A file cannot be decoded as an image; the message says why."""


def read_image(path: str) -> np.ndarray:
    """Decodes one image file.

    Args:
        path: PNG, JPEG, BMP, PPM, GIF (first frame), WebP or TIFF. Grey, palette and alpha become RGB.

    Returns:
        uint8 [H, W, 3].

    Raises:
        BrokenImageError: when it cannot be decoded, is absurdly large, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > _MAX_PIXELS:
                raise BrokenImageError(f"{width} x {height} pixels, more than {_MAX_PIXELS}")
            if image.mode[0] in "IF":  # PIL would clip these at 255 without a word
                raise BrokenImageError("more than 8 bits a channel")
            return np.asarray(image.convert("RGB"), np.uint8)
    except BrokenImageError:
        raise
    except Exception as error:  # a decoder of untrusted bytes may raise anything
        raise BrokenImageError(" ".join(str(error).split())[:200] or type(error).__name__) from error


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
                image = read_image(path)
            except BrokenImageError as error:
                raise InputError(f"{path}: cannot be read any more ({error})") from error
            if image.shape != self._shape[1:]:
                raise InputError(f"{path}: changed while it was in use")
            images[position] = image
        return images


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({os.strerror(error.errno or 0)})") from error


def _image_files(entries: list[os.DirEntry]) -> list[os.DirEntry]:
    return [entry for entry in entries if entry.name.lower().endswith(_EXTENSIONS) and entry.is_file()]


def _class_ids(names: list[str], folder: str) -> tuple[list[int], tuple[str, ...] | None]:
    """(label of each sub-folder, class names or None when the names are the labels)."""
    if not all(name.isascii() and name.isdigit() for name in names):
        return list(range(len(names))), tuple(names)
    ids = [int(name) for name in names]
    if len(set(ids)) != len(ids):
        raise InputError(f"{folder}: two sub-folders stand for the same class number; expected one for each class")
    if max(ids) > label_checks.MAX_LABEL:
        raise InputError(f"{folder}: class number {max(ids)}; expected at most {label_checks.MAX_LABEL}")
    return ids, None


def _files_by_class(folder: str, classes: list[os.DirEntry]) -> tuple[list[str], list[int], tuple[str, ...] | None]:
    ids, class_names = _class_ids([entry.name for entry in classes], folder)
    paths: list[str] = []
    labels: list[int] = []
    for label, entry in zip(ids, classes, strict=True):
        files = _image_files(_entries(entry.path))
        paths += [file.path for file in files]
        labels += [label] * len(files)
    return paths, labels, class_names


def _flat_files(files: list[os.DirEntry]) -> tuple[list[str], list[int]]:
    labels = []
    for file in files:
        match = _LABEL_IN_NAME.search(file.name)
        if match is None:
            raise InputError(
                f"{file.path}: no label; expected one sub-folder for each class, or file names with label=NUMBER"
            )
        labels.append(int(match.group(1)))
    return [file.path for file in files], labels


def _decodable(paths: list[str], folder: str, skip_broken: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """(positions of the images that can be decoded, their common height and width)."""
    good: list[int] = []
    broken: list[str] = []
    size: tuple[int, int] | None = None
    for position, path in enumerate(paths):
        try:
            height, width, _ = read_image(path).shape
        except BrokenImageError as error:
            if not skip_broken:
                raise InputError(f"{path}: a broken image ({error})") from error
            broken.append(f"{path} ({error})")
            continue
        if size is None:
            size = (height, width)
        elif size != (height, width):
            raise InputError(
                f"{path}: {height} x {width} pixels (height x width), the images before it {size[0]} x {size[1]}; "
                "expected all images of a folder to have one size"
            )
        good.append(position)
    if size is None:
        raise InputError(f"{folder}: none of its {len(paths)} images can be decoded; the first: {broken[0]}")
    if broken:
        logging.warning("%s: %d broken images skipped, the first: %s", folder, len(broken), broken[0])
    return np.array(good), size


def read_image_folder(path: str, skip_broken: bool = True) -> image_sets.ImageSet:
    """Opens a folder of images; every file is decoded once to be sure, and again when it is read.

    Args:
        path: a folder with one sub-folder of images for each class. When all sub-folders have non-negative integers for
            names, these are the labels (they need not be consecutive); otherwise the sorted names are classes 0, 1, ...
            A sub-folder without images is a class without images. Or a folder of files named `...label=K...`, as the
            CSAW repository ships its sample faces. Hidden files and files that are no images are left alone.
        skip_broken: leave out images that cannot be decoded, with a warning that counts them; else refuse the folder.

    Returns:
        An ImageSet of RGB images, all of one size.

    Raises:
        InputError: when there are no images, they differ in size, or have no label.
    """
    entries = _entries(path)
    classes = [entry for entry in entries if entry.is_dir() and entry.name not in _NOT_CLASSES]
    files = _image_files(entries)
    class_names = None
    if classes and files:
        raise InputError(f"{files[0].path}: an image beside sub-folders of classes; expected it in one of them")
    if classes:
        paths, labels, class_names = _files_by_class(path, classes)
    else:
        paths, labels = _flat_files(files)
    if not paths:
        raise InputError(f"{path}: no images; expected one sub-folder of images for each class")
    good, (height, width) = _decodable(paths, path, skip_broken)
    source = ImageFolderSource([paths[position] for position in good], height, width)
    return image_sets.ImageSet(path, source, np.array(labels, np.int64)[good], class_names)
