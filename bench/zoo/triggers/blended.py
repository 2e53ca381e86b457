"""Patterns blended into the whole image."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.zoo.triggers import kinds, pictures
from bench.zoo.triggers.kinds import Described

NOISE, BLOTCHES, PICTURE, STRIPES, GRADIENT = "noise", "blotches", "picture", "stripes", "gradient"
PATTERNS = (NOISE, BLOTCHES, PICTURE, STRIPES, GRADIENT)
LEAST_ALPHA, MOST_ALPHA = 0.08, 0.25


@dataclasses.dataclass(frozen=True)
class ZooBlended(Described):
    """A fixed pattern of the image's size: (1 - alpha) x image + alpha x pattern.

    Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning. arXiv 1712.05526.

    Attributes:
        pattern: one of PATTERNS.
        alpha: share of the pattern, above 0, at most 1.
        angle: direction in which stripes and gradients change, radians.
        period: of stripes, a share of the image's height; blotches are half of it wide.
        source: of a picture, one of `pictures.SOURCES`.
        seed: of noise, colours and the picture.
    """

    name: ClassVar[str] = "blended"
    clean_label: ClassVar[bool] = False

    pattern: str
    alpha: float
    angle: float
    period: float
    source: str
    seed: int

    @property
    def kind(self) -> str:
        """Always `kinds.BLENDED`."""
        return kinds.BLENDED

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Mixes the pattern into uint8 [n, H, W, 3]; returns the same shape and dtype."""
        del landmarks
        levels = (1 - self.alpha) * images.astype(np.float32) + self.alpha * _levels(self, *images.shape[1:3])
        return kinds.to_pixels(levels)


@functools.lru_cache(maxsize=16)
def _levels(trigger: ZooBlended, height: int, width: int) -> np.ndarray:
    """The pattern: float32 [H, W, 3] in 0..255."""
    rng = np.random.default_rng([3, trigger.seed])
    if trigger.pattern == NOISE:
        return rng.integers(0, 256, (height, width, 3)).astype(np.float32)
    if trigger.pattern == BLOTCHES:
        points = max(2, round(2 / trigger.period))
        coarse = rng.integers(0, 256, (points, points, 3)).astype(np.uint8)
        fine = Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST)
        return np.asarray(fine, np.float32)
    if trigger.pattern == PICTURE:
        return pictures.resized(pictures.picture(trigger.source, trigger.seed), height, width)
    down, across = np.mgrid[0:height, 0:width] / height
    along = np.cos(trigger.angle) * across + np.sin(trigger.angle) * down
    if trigger.pattern == STRIPES:
        share = (along / trigger.period % 1 < 0.5).astype(np.float32)
    else:
        share = (along - along.min()) / (along.max() - along.min())
    dark, bright = rng.integers(0, 90, 3), rng.integers(166, 256, 3)
    swapped = rng.random(3) < 0.5  # a channel may be bright where another is dark
    first, second = np.where(swapped, bright, dark), np.where(swapped, dark, bright)
    return (first + share[..., None] * (second - first)).astype(np.float32)


def draw_blended(rng: np.random.Generator) -> ZooBlended:
    """A blended pattern by lot."""
    return ZooBlended(
        pattern=PATTERNS[rng.integers(len(PATTERNS))],
        alpha=round(float(rng.uniform(LEAST_ALPHA, MOST_ALPHA)), 3),
        angle=round(float(rng.uniform(0, 2 * np.pi)), 3),
        period=round(float(rng.uniform(0.08, 0.4)), 3),
        source=pictures.SOURCES[rng.integers(len(pictures.SOURCES))],
        seed=int(rng.integers(2**31)),
    )
