"""Image sets of .npy files in one folder: the images in one file, the labels in another."""

from __future__ import annotations

from collections.abc import Sequence
from os import path as paths

from goodnet.data import image_set as image_sets
from goodnet.data.array_names import TRUE_LABELS, find_pair
from goodnet.data.errors import InputError
from goodnet.data.labels import read_labels
from goodnet.data.npy import open_npy
from goodnet.data.stored_images import StoredImages
from goodnet.data.use import Use
from goodnet.export.pixel_range import check_pixel_dtype, image_layout
from goodnet.export.regular_files import Entry

_SUFFIX = ".npy"


def array_files(found: Sequence[Entry]) -> dict[str, Entry]:
    """The .npy files among the entries of a folder, by name without the suffix."""
    return {one.name.removesuffix(_SUFFIX): one for one in found if not one.is_folder and one.name.endswith(_SUFFIX)}


def read_npy_folder(folder: str, files: dict[str, Entry], use: Use) -> image_sets.ImageSet:
    """Opens the images and labels of a folder.

    Args:
        folder: its path, for messages.
        files: as `array_files` gives them; their names are those of `data.array_names`, `images.npy` and `labels.npy`
            or `x_train.npy` and `y_train.npy` for example.
        use: what for, where there are several parts.

    Returns:
        An ImageSet named after the folder.

    Raises:
        InputError: there are no such files, one is a link, damaged, holds objects or not what its name says.
    """
    pair = find_pair(list(files), folder, use)
    wanted = [pair.images, pair.labels, *([TRUE_LABELS] if pair.is_whole and TRUE_LABELS in files else [])]
    for name in wanted:
        if files[name].oddity:
            raise InputError(f"{files[name].path}: {files[name].oddity}; expected a regular file")
    pixels, *labels = (open_npy(paths.join(folder, f"{name}{_SUFFIX}")) for name in wanted)
    check_pixel_dtype(pixels.dtype, pixels.where)
    (images, *_), _ = image_layout(pixels.shape, pixels.where)
    given, *true = (read_labels(one, images) for one in labels)
    return image_sets.ImageSet(folder, StoredImages(pixels), given, true_labels=true[0] if true else None)
