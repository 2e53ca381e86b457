"""Makes the images of a set what a model takes, as far as how the set was opened allows that."""

from __future__ import annotations

import dataclasses

import numpy as np

from goodnet.data.image_set import ImageSet, ImageSource, SubsetSource
from goodnet.export.image_files import scaled

ImageShape = tuple[int, int, int]


class ResizableSource:
    """Images of another source, which may be scaled."""

    is_quick = False

    def __init__(self, source: ImageSource, size: tuple[int, int] | None = None):
        """Images of `source`, scaled (bilinearly) to `size`: height and width."""
        self._source = source
        self._size = size or source.shape[1:3]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        count, _, _, channels = self._source.shape
        return count, *self._size, channels

    def fitted(self, image_shape: ImageShape) -> ResizableSource:
        """The same images scaled to a height and width."""
        return ResizableSource(self._source, image_shape[:2])

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices`, scaled: uint8 [n, H, W, C]."""
        images = self._source.read(indices)
        if images.shape[1:] == self.shape[1:]:
            return images
        found = np.empty((len(images), *self.shape[1:]), np.uint8)
        for position, image in enumerate(images):
            found[position] = scaled(image, self._size)
        return found


def resizable(image_set: ImageSet) -> ImageSet:
    """A set of arrays whose images `fitted` may scale."""
    return dataclasses.replace(image_set, source=ResizableSource(image_set.source))


def fitted(image_set: ImageSet, image_shape: ImageShape) -> ImageSet:
    """The set as a model takes it.

    Args:
        image_set: pictures of a folder become grey or RGB; what was opened with `resize` is scaled; nothing else is
            changed, and then may not fit.
        image_shape: the model's height, width and channels.
    """
    if image_set.image_shape == image_shape:
        return image_set
    source = _fitted(image_set.source, image_shape)
    return image_set if source is None else dataclasses.replace(image_set, source=source, landmarks=None)


def _fitted(source: ImageSource, image_shape: ImageShape) -> ImageSource | None:
    if isinstance(source, SubsetSource):
        whole = _fitted(source.whole, image_shape)
        return None if whole is None else SubsetSource(whole, source.indices)
    fit = getattr(source, "fitted", None)
    return None if fit is None else fit(image_shape)
