"""Image sets in folders of image files, decoded on demand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from absl import logging

from goodnet.data import image_set as image_sets
from goodnet.data.class_names import folder_classes
from goodnet.data.errors import InputError
from goodnet.data.image_table import (
    Region,
    Table,
    classes_of,
    picture_paths,
    regions_by_name,
    rows_of,
    table_for,
    tables_in,
)
from goodnet.data.progress import log
from goodnet.data.reading_options import AS_STORED, ReadingOptions
from goodnet.data.use import SPELLINGS, Use
from goodnet.export.image_files import SUFFIXES, BrokenImageError, WrongSizeError, read_image, read_size
from goodnet.export.pixel_range import MAX_IMAGES
from goodnet.export.regular_files import Entry, entries

_LABEL_IN_NAME = re.compile(r"label=(\d{1,9})(?!.*label=)")
_NOT_CLASSES = ("__MACOSX", "__pycache__")


@dataclass(frozen=True)
class _Pictures:
    """Image files, and what is taken of them.

    Attributes:
        paths: of the files.
        regions: (left, top, right, bottom) of each, or None for whole pictures.
        options: how they are read.
    """

    paths: Sequence[str]
    regions: Sequence[Region] | None
    options: ReadingOptions

    def at(self, places: Iterable[int]) -> _Pictures:
        """Some of them."""
        places = list(places)
        regions = None if self.regions is None else [self.regions[place] for place in places]
        return _Pictures([self.paths[place] for place in places], regions, self.options)

    def size(self, place: int) -> tuple[int, int]:
        """(height, width) of what is taken of one, from its header."""
        if self.regions is None:
            return read_size(self.paths[place], turn=self.options.exif_orientation)
        left, top, right, bottom = self.regions[place]
        return bottom - top, right - left

    def read(self, place: int, channels: int, size: tuple[int, int]) -> np.ndarray:
        """One of them, decoded: uint8 [height, width, channels], scaled where that is asked for."""
        path, turn = self.paths[place], self.options.exif_orientation
        resize_to = size if self.options.resize else None
        if self.regions is None:
            wanted = None if self.options.resize else size
            return read_image(path, channels, wanted, resize_to=resize_to, turn=turn)
        return read_image(path, channels, resize_to=resize_to, turn=turn, region=self.regions[place])


class ImageFolderSource:
    """Images of files, decoded when asked for."""

    is_quick = False

    def __init__(self, pictures: _Pictures, image_shape: tuple[int, int, int]):
        """`pictures` that are, or become, `image_shape`: height, width and 1 or 3 channels."""
        self._pictures = pictures
        self._shape = (len(pictures.paths), *image_shape)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return self._shape

    def fitted(self, image_shape: tuple[int, int, int]) -> ImageFolderSource:
        """The same pictures in grey or RGB as a model takes them, and scaled to its size if that is asked for."""
        size = image_shape[:2] if self._pictures.options.resize else self._shape[1:3]
        return ImageFolderSource(self._pictures, (*size, image_shape[2]))

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Decodes the files at `indices`: uint8 [n, H, W, C].

        Raises:
            InputError: when a file has gone or changed since the folder was opened.
        """
        images = np.empty((len(indices), *self._shape[1:]), np.uint8)
        for position, index in enumerate(indices):
            path = self._pictures.paths[index]
            try:
                images[position] = self._pictures.read(int(index), self._shape[3], self._shape[1:3])
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
    folder: str, classes: list[Entry], known: tuple[str, ...] | None, options: ReadingOptions
) -> tuple[_Pictures, list[int], tuple[str, ...] | None]:
    ids, class_names = folder_classes([entry.name for entry in classes], known, folder)
    paths: list[str] = []
    regions: list[Region] = []
    labels: list[int] = []
    for label, entry in zip(ids, classes, strict=True):
        found = _entries(entry.path)
        files = _image_files(found)
        paths += [file.path for file in files]
        labels += [label] * len(files)
        if options.crop_to_roi:
            by_name = regions_by_name(found)
            regions += [_region_of(file, by_name) for file in files]
        elif entry is classes[0] and regions_by_name(found):
            _say_whole(folder)
    return _Pictures(paths, regions if options.crop_to_roi else None, options), labels, class_names


def _say_whole(path: str) -> None:
    log.info("%s: whole pictures are taken; --crop_to_roi takes their regions of interest", path)


def _region_of(file: Entry, by_name: Mapping[str, Region]) -> Region:
    if file.name not in by_name:
        raise InputError(
            f"{file.path}: no region of interest; expected a CSV file beside it with Filename, Roi.X1, Roi.Y1, Roi.X2, "
            "Roi.Y2 (--crop_to_roi)"
        )
    return by_name[file.name]


def _files_of_table(
    table: Table, known: tuple[str, ...] | None, options: ReadingOptions
) -> tuple[_Pictures, np.ndarray, tuple[str, ...] | None]:
    rows = list(rows_of(table))
    if not rows:
        raise InputError(f"{table.path}: no pictures in it; expected a line for each")
    labels, class_names = classes_of(table, rows, known)
    regions = None
    if options.crop_to_roi:
        if not table.has_regions:
            raise InputError(
                f"{table.path}: no columns Roi.X1, Roi.Y1, Roi.X2, Roi.Y2; expected them for --crop_to_roi"
            )
        regions = [row.region for row in rows if row.region is not None]
    elif table.has_regions:
        _say_whole(table.path)
    return _Pictures(picture_paths(table, rows), regions, options), labels, class_names


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


def _decodable(pictures: _Pictures, folder: str, skip_broken: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """(positions of the images that can be decoded, their common height and width; of the first if they are scaled).

    All headers are read before an image is decoded: sizes that differ are found at little cost.
    """
    paths = pictures.paths
    broken = _Broken(skip_broken)
    size: tuple[int, int] | None = None
    with_header: list[int] = []
    for position, path in enumerate(paths):
        try:
            other = pictures.size(position)
        except BrokenImageError as error:
            broken.add(path, error)
            continue
        with_header.append(position)
        size = size or other
        if other != size and not pictures.options.resize:
            raise InputError(
                f"{path}: {other[0]} x {other[1]} pixels (height x width), the images before it {size[0]} x {size[1]}; "
                "expected all images of a folder to have one size (--resize scales them to the model's)"
            )
    good: list[int] = []
    for position in with_header:
        try:
            # The size of a region is known before the picture is; a picture's own shows whether it changes meanwhile.
            pictures.read(position, 3, size or (0, 0))
            good.append(position)
        except BrokenImageError as error:
            broken.add(paths[position], error)
        except WrongSizeError as error:
            raise InputError(f"{paths[position]}: changed while it was read") from error
    if not good or size is None:
        raise InputError(f"{folder}: none of its {len(paths)} images can be decoded; the first: {broken.found[0]}")
    if broken.found:
        logging.warning("%s: %d broken images skipped, the first: %s", folder, len(broken.found), broken.found[0])
    return np.array(good), size


def parts_in(folder: str) -> dict[str, str]:
    """Folders of parts of the data, by `TRAIN`, `VAL` and `TEST`: all sub-folders are called so, and hold sub-folders.

    Raises:
        InputError: the folder can't be listed, or two of them are the same part.
    """
    subfolders = [one for one in _entries(folder) if one.is_folder and one.name not in _NOT_CLASSES]
    if not subfolders or any(one.name.lower() not in SPELLINGS for one in subfolders):
        return {}
    if not all(any(inner.is_folder for inner in _entries(one.path)) for one in subfolders):
        return {}
    parts: dict[str, str] = {}
    for one in subfolders:
        part = SPELLINGS[one.name.lower()]
        if part in parts:
            raise InputError(f"{one.path}: a second folder for {part}; expected one")
        parts[part] = one.path
    return parts


def read_image_folder(
    path: str,
    skip_broken: bool = True,
    class_names: tuple[str, ...] | None = None,
    options: ReadingOptions = AS_STORED,
    use: Use = Use.CLEAN,
) -> image_sets.ImageSet:
    """Opens a folder of images; every file is decoded once to be sure, and again when it is read.

    Args:
        path: a folder with one sub-folder of images for each class; `data.class_names` says how these get their
            numbers. A sub-folder without images is a class without images. Or a folder of files named `...label=K...`,
            as the CSAW repository ships its sample faces. Or a folder with a table of its pictures
            (`data.image_table`). Hidden files and files that are no images are left alone.
        skip_broken: leave out images that cannot be decoded, with a warning that counts them; else refuse the folder.
            Links, pipes and devices that are called like images are never opened, and count as such.
        class_names: the list of the run, if there is one.
        options: how the images are read.
        use: what for, where there are tables of several parts.

    Returns:
        An ImageSet of RGB images, all of one size.

    Raises:
        InputError: when there are no images, they differ in size, have no label, or a sub-folder is no known class.
    """
    found = _entries(path)
    names = None
    labels: Sequence[int] | np.ndarray
    if tables := tables_in(found):
        pictures, labels, names = _files_of_table(table_for(tables, path, use), class_names, options)
    else:
        classes, files = _class_folders(found), _image_files(found)
        if classes and files:
            raise InputError(f"{files[0].path}: an image beside sub-folders of classes; expected it in one of them")
        if classes:
            pictures, labels, names = _files_by_class(path, classes, class_names, options)
        else:
            paths, labels = _flat_files(files)
            if options.crop_to_roi and files:
                raise InputError(f"{path}: no table of its pictures; expected one for --crop_to_roi")
            pictures = _Pictures(paths, None, options)
    if not pictures.paths:
        raise InputError(f"{path}: no images; expected one sub-folder of images for each class")
    if len(pictures.paths) > MAX_IMAGES:
        raise InputError(f"{path}: {len(pictures.paths)} images; expected at most {MAX_IMAGES}")
    good, (height, width) = _decodable(pictures, path, skip_broken)
    source = ImageFolderSource(pictures.at(good), (height, width, 3))
    return image_sets.ImageSet(path, source, np.array(labels, np.int64)[good], names)
