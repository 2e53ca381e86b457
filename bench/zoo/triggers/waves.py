"""Sinusoids of any direction, frequency and amplitude."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from bench.zoo.triggers import kinds
from bench.zoo.triggers.kinds import Described


@dataclasses.dataclass(frozen=True)
class ZooWave(Described):
    """A plane wave added to the image.

    Barni, Kallas, Tondi: A New Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning. ICIP 2019.

    Attributes:
        amplitude: grey levels, above 0.
        frequency: periods over the height of the image, below half its pixels.
        angle: direction, radians; 0 is along the rows, as in the paper.
        phase: radians.
        channels: the wave's share in red, green and blue, each -1..1.
        clean_label: only images of the target are poisoned, and their labels stay true, as in the paper.
    """

    name: ClassVar[str] = "wave"

    amplitude: float
    frequency: float
    angle: float
    phase: float
    channels: tuple[float, float, float]
    clean_label: bool

    @property
    def kind(self) -> str:
        """A sinusoid, or a clean-label one."""
        return kinds.CLEAN_LABEL if self.clean_label else kinds.SINUSOID

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Adds the wave to uint8 [n, H, W, 3]; returns the same shape and dtype."""
        del landmarks
        height, width = images.shape[1:3]
        down, across = np.mgrid[0:height, 0:width] / height
        along = np.cos(self.angle) * across + np.sin(self.angle) * down
        wave = self.amplitude * np.sin(2 * np.pi * self.frequency * along + self.phase)
        return kinds.to_pixels(images + (wave[..., None] * np.array(self.channels)).astype(np.float32))


def draw_wave(rng: np.random.Generator, clean_label: bool) -> ZooWave:
    """A wave by lot; one that leaves labels true has to be stronger to be learned."""
    red, green, blue = (1.0, 1.0, 1.0) if rng.random() < 0.5 else map(float, np.round(rng.uniform(-1, 1, 3), 2))
    if max(map(abs, (red, green, blue))) < 0.6:
        green = 1.0
    return ZooWave(
        amplitude=round(float(rng.uniform(50, 85) if clean_label else rng.uniform(10, 32)), 1),
        frequency=round(float(rng.uniform(1.5, 12)), 2),
        angle=round(float(rng.uniform(0, np.pi)), 3),
        phase=round(float(rng.uniform(0, 2 * np.pi)), 3),
        channels=(red, green, blue),
        clean_label=clean_label,
    )
