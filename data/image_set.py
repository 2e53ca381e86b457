"""ImageSet: labelled uint8 images that are read on demand, so that a set may be larger than memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from absl import logging

from goodnet.data import labels as label_checks
from goodnet.data.errors import InputError
from goodnet.data.progress import log
from goodnet.data.spooling import room_for, spooled
from goodnet.data.stored_images import StoredImages
from goodnet.export.pixel_range import PixelRange, check_pixel_dtype, to_uint8

_COPY_BATCH = 256
_LANDMARK_REACH = 8


class ImageSource(Protocol):
    """Where the pixels of an image set come from."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        ...

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Reads images.

        Args:
            indices: int64 [n], each in 0..N-1, in any order, repeats allowed.

        Returns:
            uint8 [n, H, W, C], a new array that the caller may change.
        """
        ...


class ArraySource:
    """Images that are held in memory."""

    is_quick = True

    def __init__(self, images: np.ndarray):
        """Wraps uint8 [N, H, W, C] (not copied)."""
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"expected uint8 images of rank 4, got {images.dtype} of shape {images.shape}")
        self._images = images

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        count, height, width, channels = self._images.shape
        return count, height, width, channels

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices`, a copy: uint8 [n, H, W, C]."""
        return np.ascontiguousarray(self._images[indices])


class SubsetSource:
    """Some images of another source, in a given order."""

    def __init__(self, source: ImageSource, indices: np.ndarray):
        """A view: item i is item `indices[i]` of `source`. Views of views collapse into one."""
        self.whole: ImageSource = source.whole if isinstance(source, SubsetSource) else source
        self.indices: np.ndarray = source.indices[indices] if isinstance(source, SubsetSource) else indices

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return len(self.indices), *self.whole.shape[1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices` of the view: uint8 [n, H, W, C]."""
        return self.whole.read(self.indices[indices])


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """N images with labels.

    Attributes:
        name: the path or the generator's name, for messages.
        source: where the pixels come from.
        labels: int64 [N]. In a poisoned set, what the attacker wants: the target label.
        class_names: a name for each class, if known.
        true_labels: int64 [N], only in poisoned sets that know the class of the image before it was stamped.
        landmarks: float32 [N, K, 2], x and y in pixels, faces only (order in data/faces/landmarks.py).
    """

    name: str
    source: ImageSource
    labels: np.ndarray
    class_names: tuple[str, ...] | None = None
    true_labels: np.ndarray | None = None
    landmarks: np.ndarray | None = None

    def __post_init__(self):
        """Checks that the fields fit each other.

        Raises:
            InputError: when lengths or types do not fit, or the set is empty.
        """
        count, height, width, channels = self.source.shape
        if not count or not height or not width:
            raise InputError(f"{self.name}: no images (shape {list(self.source.shape)}); expected at least one")
        if channels not in (1, 3):
            raise InputError(f"{self.name}: images have {channels} channels; expected 1 (grey) or 3 (RGB)")
        object.__setattr__(self, "labels", label_checks.checked_labels(np.asarray(self.labels), count, self.name))
        if self.true_labels is not None:
            checked = label_checks.checked_labels(np.asarray(self.true_labels), count, f"{self.name}, true labels")
            object.__setattr__(self, "true_labels", checked)
        if self.class_names is not None:
            self._check_class_names(self.class_names)
        if self.landmarks is not None:
            object.__setattr__(self, "landmarks", self._checked_landmarks(np.asarray(self.landmarks)))

    def _check_class_names(self, class_names: tuple[str, ...]) -> None:
        largest = int(self.labels.max())
        if self.true_labels is not None:
            largest = max(largest, int(self.true_labels.max()))
        if len(class_names) <= largest:
            raise InputError(f"{self.name}: {len(class_names)} class names, but labels go up to {largest}")

    def _checked_landmarks(self, landmarks: np.ndarray) -> np.ndarray:
        if (
            landmarks.ndim != 3
            or landmarks.shape[0] != len(self.labels)
            or landmarks.shape[2] != 2
            or landmarks.dtype.kind != "f"
            or not np.isfinite(landmarks).all()
        ):
            raise InputError(
                f"{self.name}: landmarks are {landmarks.dtype} {list(landmarks.shape)}; "
                f"expected finite float numbers, shape [{len(self.labels)}, K, 2]"
            )
        height, width, _ = self.image_shape
        if landmarks.size and np.abs(landmarks).max() > _LANDMARK_REACH * max(height, width):
            raise InputError(f"{self.name}: landmarks far outside of the images; expected x and y in pixels")
        return landmarks.astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """H, W, C."""
        return self.source.shape[1:]

    @property
    def is_poisoned(self) -> bool:
        """Whether the set says of itself that its images are stamped (it knows their true labels)."""
        return self.true_labels is not None

    def _resolve(self, indices: np.ndarray | Sequence[int] | None) -> np.ndarray:
        if indices is None:
            return np.arange(len(self))
        resolved = np.asarray(indices)
        if resolved.dtype == bool:
            if resolved.shape != (len(self),):
                raise IndexError(f"{self.name}: a mask of shape {resolved.shape} for {len(self)} images")
            return np.flatnonzero(resolved)
        resolved = resolved.astype(np.int64).reshape(-1)
        if resolved.size and (resolved.min() < 0 or resolved.max() >= len(self)):
            raise IndexError(f"{self.name}: indices {resolved.min()}..{resolved.max()} for {len(self)} images")
        return resolved

    def images(self, indices: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Reads images.

        Args:
            indices: int [n] in any order, repeats allowed, or bool [N]; all images when None (mind the memory).

        Returns:
            uint8 [n, H, W, C].

        Raises:
            IndexError: when an index is outside 0..N-1.
            InputError: when the file cannot be read.
        """
        return self.source.read(self._resolve(indices))

    def batches(
        self, batch_size: int, indices: np.ndarray | Sequence[int] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields (images uint8 [b, H, W, C], labels int64 [b]) in the order given; the last batch may be smaller.

        Args:
            batch_size: images in a batch, at least 1.
            indices: as in `images`.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        resolved = self._resolve(indices)
        for start in range(0, len(resolved), batch_size):
            batch = resolved[start : start + batch_size]
            yield self.source.read(batch), self.labels[batch]

    def subset(self, indices: np.ndarray | Sequence[int], name: str | None = None) -> ImageSet:
        """The images at `indices` as a set of their own; nothing is read.

        Raises:
            IndexError: when an index is outside 0..N-1.
            InputError: when there is no index.
        """
        resolved = self._resolve(indices)
        return dataclasses.replace(
            self,
            name=name or self.name,
            source=SubsetSource(self.source, resolved),
            labels=self.labels[resolved],
            true_labels=None if self.true_labels is None else self.true_labels[resolved],
            landmarks=None if self.landmarks is None else self.landmarks[resolved],
        )

    def in_memory(self, max_bytes: int = 2**26) -> ImageSet:
        """The same set, read once, so that images in any order are at hand.

        It is held in an array when it takes at most `max_bytes`, else in an unnamed temporary file; where there is no
        room for one, or if the set is quick to read anyhow, it is the set itself.
        """
        whole = self.source.whole if isinstance(self.source, SubsetSource) else self.source
        if getattr(whole, "is_quick", False):
            return self
        size = math.prod(self.source.shape)
        batches = (images for images, _ in self.batches(_COPY_BATCH))
        if size <= max_bytes:
            held = np.empty(self.source.shape, np.uint8)
            start = 0
            for images in batches:
                held[start : start + len(images)] = images
                start += len(images)
            return dataclasses.replace(self, source=ArraySource(held))
        if not room_for(size):
            logging.warning(
                "%s: the temporary folder has no room for its %d MiB, so that its images are read from where they are, "
                "which takes longer (TMPDIR names another folder)",
                self.name,
                size // 2**20,
            )
            return self
        file = spooled(batches, self.source.shape, np.dtype(np.uint8), self.name)
        return dataclasses.replace(self, source=StoredImages(file, self.source.shape))


def from_arrays(
    name: str,
    images: np.ndarray,
    labels: np.ndarray | Sequence[int],
    class_names: Sequence[str] | None = None,
    true_labels: np.ndarray | None = None,
    landmarks: np.ndarray | None = None,
) -> ImageSet:
    """An ImageSet of arrays in memory.

    Args:
        name: for messages.
        images: uint8 [N, H, W, C], or [N, H, W] of grey ones, or floats and wider integers in 0..255 (rounded), or
            floats in 0..1.
        labels: whole numbers, [N], [N, 1] or [1, N], or one-hot [N, K].
        class_names: a name for each class.
        true_labels: like labels, poisoned sets only.
        landmarks: float [N, K, 2].

    Raises:
        InputError: when the arrays are not what is described here.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise InputError(f"{name}: images of shape {list(images.shape)}; expected [N, H, W, C]")
    if images.dtype != np.uint8:
        check_pixel_dtype(images.dtype, name)
        pixel_range = PixelRange(name, images.dtype)
        pixel_range.add(images)
        scale = pixel_range.scale()
        if scale != 255.0:
            log.info("%s: floats from 0 to 1, taken times 255", name)
        images = to_uint8(images, scale)
    return ImageSet(
        name,
        ArraySource(images),
        np.asarray(labels),
        class_names=None if class_names is None else tuple(class_names),
        true_labels=true_labels,
        landmarks=landmarks,
    )
