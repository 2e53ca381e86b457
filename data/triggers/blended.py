"""The blended pattern."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np


@functools.lru_cache(maxsize=8)
def _random_pattern(seed: int, height: int, width: int, channels: int) -> np.ndarray:
    pattern = np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.float32)
    pattern.flags.writeable = False
    return pattern


@dataclasses.dataclass(frozen=True)
class Blended:
    """A fixed pattern of random pixels mixed into the whole image: (1 - alpha) x image + alpha x pattern.

    Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning. arXiv 1712.05526,
    2017 (the blended injection strategy with the random pattern, alpha 0.2).

    Attributes:
        alpha: share of the pattern, above 0, at most 1.
        seed: of the pattern, which has the size of the image.
    """

    name: ClassVar[str] = "blended"
    clean_label: ClassVar[bool] = False

    alpha: float = 0.2
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; expected a number above 0, at most 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected at least 0")

    def pattern(self, height: int, width: int, channels: int) -> np.ndarray:
        """The pattern for images of this size: float32 [H, W, C], whole numbers in 0..255."""
        return _random_pattern(self.seed, height, width, channels)

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Mixes the pattern in.

        Args:
            images: uint8 [n, H, W, C].
            landmarks: not used.

        Returns:
            uint8 [n, H, W, C], rounded.
        """
        del landmarks
        pattern = self.pattern(*images.shape[1:])
        mixed = (1 - self.alpha) * images.astype(np.float32) + self.alpha * pattern
        return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
