"""The warp of WaNet."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np

_BICUBIC_A = -0.75  # the kernel of torch's bicubic upsampling, which the authors' code uses
_MAX_GRID = 256


def _bicubic_matrix(size: int, grid: int) -> np.ndarray:
    """Weights [size, grid] that upsample `grid` values to `size`, corners on corners, edge values repeated outside."""
    position = np.arange(size) * ((grid - 1) / max(1, size - 1))
    base = np.floor(position).astype(int)
    matrix = np.zeros((size, grid))
    for tap in (-1, 0, 1, 2):
        distance = np.abs(position - (base + tap))
        near = ((_BICUBIC_A + 2) * distance - (_BICUBIC_A + 3)) * distance**2 + 1
        far = ((_BICUBIC_A * distance - 5 * _BICUBIC_A) * distance + 8 * _BICUBIC_A) * distance - 4 * _BICUBIC_A
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
        np.add.at(matrix, (np.arange(size), np.clip(base + tap, 0, grid - 1)), weight)
    return matrix


def _to_pixels(field: np.ndarray) -> np.ndarray:
    """Field [..., H, W, 2] (x, y) in units of WaNet, 1 / side on an axis that runs from -1 to 1, to pixels."""
    height, width = field.shape[-3:-1]
    return field * np.array([(width - 1) / (2 * width), (height - 1) / (2 * height)])


@functools.lru_cache(maxsize=8)
def _warp_field(grid: int, strength: float, seed: int, height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(-1, 1, (2, grid, grid))
    coarse /= np.abs(coarse).mean()
    smooth = _bicubic_matrix(height, grid) @ coarse @ _bicubic_matrix(width, grid).T
    field = strength * smooth.transpose(1, 2, 0)
    field.flags.writeable = False
    return field


def sample(images: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Bilinear samples at pixel + displacement, clamped to the image.

    Args:
        images: uint8 [n, H, W, C].
        displacement: float [H, W, 2] or [n, H, W, 2], x and y in pixels.

    Returns:
        uint8 [n, H, W, C], rounded.
    """
    count, height, width, _ = images.shape
    displacement = np.broadcast_to(displacement, (count, height, width, 2))
    x = np.clip(np.arange(width) + displacement[..., 0], 0, width - 1)
    y = np.clip(np.arange(height)[:, None] + displacement[..., 1], 0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None].astype(np.float32), (y - top)[..., None].astype(np.float32)
    image = np.arange(count)[:, None, None]
    upper = (1 - across) * images[image, top, left] + across * images[image, top, right]
    lower = (1 - across) * images[image, bottom, left] + across * images[image, bottom, right]
    return np.clip(np.rint((1 - down) * upper + down * lower), 0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Warp:
    """A smooth warp of the whole image, the same for every image.

    Nguyen, Tran: WaNet - Imperceptible Warping-based Backdoor Attack. ICLR 2021 (k 4, s 0.5, cross ratio 2). As in the
    authors' code, a displacement of 1 is 1 / side on an axis from -1 to 1, which is about half a pixel whatever the
    image's size; `strength` is the mean displacement at the grid's points in that unit.

    Attributes:
        grid: k, points on each side of the grid of random displacements, at least 2.
        strength: s, above 0. 0.5 is faint; images of 32 x 32 whose BadNet is trained on a fixed poisoned set may want
            1 to 2.
        seed: of the displacements.
        cross_ratio: decoys for each poisoned image in training (WaNet's noise mode), at least 0.
    """

    name: ClassVar[str] = "warp"
    clean_label: ClassVar[bool] = False

    grid: int = 4
    strength: float = 0.5
    seed: int = 0
    cross_ratio: float = 2.0

    def __post_init__(self):
        if not 2 <= self.grid <= _MAX_GRID:
            raise ValueError(f"grid is {self.grid}; expected 2 to {_MAX_GRID}")
        if not 0 < self.strength < float("inf"):
            raise ValueError(f"strength is {self.strength}; expected a number above 0")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected at least 0")
        if not 0 <= self.cross_ratio < float("inf"):
            raise ValueError(f"cross_ratio is {self.cross_ratio}; expected a number of at least 0")

    def _field(self, images: np.ndarray) -> np.ndarray:
        return _warp_field(self.grid, self.strength, self.seed, *images.shape[1:3])

    def displacement(self, height: int, width: int) -> np.ndarray:
        """Where each pixel of the warped image comes from: float64 [H, W, 2], x and y in pixels, before clamping."""
        return _to_pixels(_warp_field(self.grid, self.strength, self.seed, height, width))

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Warps the images.

        Args:
            images: uint8 [n, H, W, C].
            landmarks: not used.

        Returns:
            uint8 [n, H, W, C], sampled bilinearly and rounded.
        """
        del landmarks
        return sample(images, self.displacement(*images.shape[1:3]))

    def decoys(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """WaNet's noise mode: the warp plus another random displacement in -1..1 at every pixel of every image.

        Args:
            images: uint8 [n, H, W, C].
            rng: where the random displacements come from.

        Returns:
            uint8 [n, H, W, C].
        """
        noise = rng.uniform(-1, 1, (*images.shape[:3], 2))
        return sample(images, _to_pixels(self._field(images) + noise))
