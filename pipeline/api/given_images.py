"""Makes image sets of the arrays of images and labels that a caller from Python has."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.data.labels import checked_labels
from goodnet.export.pixel_range import image_layout

# An array, or what NumPy makes one of; an image set; a path.
Images = Any
Labels = Any


def given_set(name: str, images: Images, labels: Labels, class_names: Sequence[str] | None = None) -> str | ImageSet:
    """A set of images as `pipeline.inputs.case` takes it.

    Args:
        name: of the argument, for messages.
        images: uint8 [N, H, W, C] or [N, C, H, W], RGB or grey, or [N, H, W], or floats and wider integers in 0..255
            (rounded), or floats in 0..1; an `ImageSet`; or the path of one.
        labels: whole numbers [N], [N, 1] or [1, N], or one-hot [N, classes]; None with an `ImageSet` or a path.
        class_names: a name for each class.

    Raises:
        InputError: the arrays are not what is described here; the line begins with the argument that is wrong.
    """
    of_labels = "labels" if name == "images" else f"{name}, labels"
    if isinstance(images, str | os.PathLike | ImageSet):
        if labels is not None:
            raise InputError(f"{of_labels}: given beside a path or an image set, which has its own; expected None")
        if isinstance(images, ImageSet):
            return images
        return os.fspath(images)
    if labels is None:
        raise InputError(f"{of_labels}: missing; expected the true class of each image")
    pixels = _array(images, name)
    _, channels_first = image_layout(pixels.shape, name)
    if channels_first:
        pixels = pixels.transpose(0, 2, 3, 1)
    return from_arrays(name, pixels, class_numbers(labels, len(pixels), of_labels), class_names)


def class_numbers(labels: Labels, images: int, where: str) -> np.ndarray:
    """Labels as int64 [N].

    Args:
        labels: whole numbers [N], [N, 1] or [1, N], or one-hot [N, classes].
        images: N.
        where: the argument, for messages.

    Raises:
        InputError: they are neither, or not as many as the images.
    """
    return checked_labels(_array(labels, where), images, where)


def unlabelled(name: str, images: Images) -> str | ImageSet:
    """Images whose labels do not matter; arguments and errors as for `given_set`."""
    if isinstance(images, str | os.PathLike | ImageSet):
        return given_set(name, images, None)
    pixels = _array(images, name)
    return given_set(name, pixels, np.zeros(len(pixels) if pixels.ndim else 0, np.int64))


def _array(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: no array can be made of it ({' '.join(str(error).split())[:120]})") from error
