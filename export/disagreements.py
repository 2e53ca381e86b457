"""Images on which the two nets of a detector may disagree, made of clean ones without knowledge of any trigger.

Clean images say nothing of the flagged side of a detector, since the two nets agree on them. So clean images are
stamped at random with the families of triggers in the literature (patches, noise and patterns blended in, plane waves),
or made into something between classes (parts and mixtures of two images).
"""

from collections.abc import Callable

import numpy as np

_Stamp = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def stamped(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stamps each image with one of the kinds, in turn.

    Args:
        images: uint8 [n, H, W, C]; what an image is mixed with is its neighbour.
        rng: draws places, sizes, colours, strengths.

    Returns:
        uint8 [n, H, W, C].
    """
    others = np.roll(images, 1, axis=0)
    found = np.empty_like(images)
    for row, (image, other) in enumerate(zip(images.astype(np.float64), others.astype(np.float64), strict=True)):
        found[row] = np.rint(_STAMPS[row % len(_STAMPS)](image, other, rng)).clip(0, 255).astype(np.uint8)
    return found


def _colour_patch(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle of one pure colour."""
    return _with_patch(image, 255.0 * rng.integers(0, 2, image.shape[-1]), rng)


def _noise_patch(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _with_patch(image, rng.uniform(0, 255, image.shape), rng)


def _part_of_another(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _with_patch(image, other, rng)


def _wave(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plane wave of up to a quarter of a period a pixel."""
    height, width, _ = image.shape
    down, across = rng.integers(-(height // 4), height // 4 + 1), rng.integers(1, max(2, width // 4 + 1))
    turns = down * np.arange(height)[:, None] / height + across * np.arange(width) / width + rng.uniform()
    return image + rng.uniform(20, 80) * np.sin(2 * np.pi * turns)[..., None]


def _blended_noise(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = rng.uniform(0.1, 0.5)
    return image * (1 - share) + rng.uniform(0, 255, image.shape) * share


def _mixture(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = rng.uniform(0.3, 0.7)
    return image * (1 - share) + other * share


def _with_patch(image: np.ndarray, content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle of an eighth to a half of each side, at a random place, shows something else."""
    result = image.copy()
    sides = [max(1, round(side * rng.uniform(1 / 8, 1 / 2))) for side in image.shape[:2]]
    place = tuple(
        slice(start, start + side)
        for side, extent in zip(sides, image.shape[:2], strict=True)
        for start in (int(rng.integers(0, extent - side + 1)),)
    )
    result[place] = np.broadcast_to(content, image.shape)[place]
    return result


_STAMPS: tuple[_Stamp, ...] = (_colour_patch, _noise_patch, _wave, _blended_noise, _part_of_another, _mixture)
