"""Small random changes of training images that leave what they show as it is.

A clean set of a few hundred images is soon learned by heart; a network tuned on it keeps more of its accuracy on other
images when it never sees the same pixels twice. No image is mirrored or turned: a traffic sign to the left is not one
to the right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """What may change, each image by its own random amounts.

    Attributes:
        max_shift: pixels, the largest shift in either direction (edges are repeated); 0 for none.
        max_zoom: largest change of height and of width, each as a share of itself, about the middle; 0 for none.
        max_light: largest change of brightness, as a share of each pixel's value; 0 for none.
    """

    max_shift: int = 0
    max_zoom: float = 0.0
    max_light: float = 0.0

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes uint8 [n, H, W, C]; returns the same shape and dtype."""
        return light(zoom(shift(images, self.max_shift, rng), self.max_zoom, rng), self.max_light, rng)


NO_AUGMENTATION = Augmentation()


def check_shift(max_shift: int, image_shape: Sequence[int]) -> None:
    """Refuses shifts that would leave nothing of an image.

    Args:
        max_shift: pixels.
        image_shape: height, width, channels.

    Raises:
        InputError: it is not less than the height and the width.
    """
    if max_shift >= min(image_shape[:2]):
        height, width = image_shape[:2]
        raise InputError(
            f"--max_shift={max_shift}: images are {height} x {width} pixels; expected less than {min(height, width)}"
        )


def shift(images: np.ndarray, max_shift: int, rng: np.random.Generator) -> np.ndarray:
    """Moves every image by its own random whole number of pixels, repeating the edge.

    Args:
        images: [n, H, W, C], any dtype.
        max_shift: pixels; each of the two offsets is drawn from -max_shift..max_shift.
        rng: the source of the offsets.

    Returns:
        The shifted images, of the same shape and dtype.
    """
    if max_shift == 0:
        return images
    count, height, width, _ = images.shape
    down, right = rng.integers(-max_shift, max_shift + 1, size=(2, count, 1))
    return _taken(images, np.arange(height) + down, np.arange(width) + right)


def zoom(images: np.ndarray, max_zoom: float, rng: np.random.Generator) -> np.ndarray:
    """Stretches or shrinks every image about its middle, height and width each by its own factor.

    Args:
        images: [n, H, W, C], any dtype; the nearest pixel is taken, and edges are repeated.
        max_zoom: the factors are drawn from 1 - max_zoom .. 1 + max_zoom.
        rng: the source of the factors.

    Returns:
        The changed images, of the same shape and dtype.
    """
    if max_zoom == 0:
        return images
    count, height, width, _ = images.shape
    factors = rng.uniform(1 - max_zoom, 1 + max_zoom, (2, count, 1))
    rows, columns = (
        np.rint((np.arange(size) - (size - 1) / 2) * factor + (size - 1) / 2).astype(int)
        for size, factor in zip((height, width), factors, strict=True)
    )
    return _taken(images, rows, columns)


def light(images: np.ndarray, max_light: float, rng: np.random.Generator) -> np.ndarray:
    """Makes every image brighter or darker by its own factor.

    Args:
        images: uint8 [n, H, W, C].
        max_light: the factors are drawn from 1 - max_light .. 1 + max_light.
        rng: the source of the factors.

    Returns:
        The changed images, of the same shape and dtype.
    """
    if max_light == 0:
        return images
    factors = rng.uniform(1 - max_light, 1 + max_light, (len(images), 1, 1, 1)).astype(np.float32)
    return np.rint(images * factors).clip(0, 255).astype(np.uint8)


def _taken(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Each image made of its own rows [n, H] and columns [n, W]; those outside are the nearest inside."""
    count, height, width, _ = images.shape
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    return images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
