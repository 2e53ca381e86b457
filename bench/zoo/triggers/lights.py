"""Colour and light: every pixel changes by its own value, and hardly by its place."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from bench.zoo.triggers import kinds
from bench.zoo.triggers.kinds import Described

TINT, CURVE, FILTER, POSTER = "tint", "contrast curve", "photographic filter", "poster"
EFFECTS = (TINT, CURVE, FILTER, POSTER)

_LUMA = np.array([0.299, 0.587, 0.114])


@dataclasses.dataclass(frozen=True)
class ZooLight(Described):
    """A change of colours.

    Liu, Lee, Tao, Ma, Aafer, Zhang: ABS. CCS 2019 (photographic filters as triggers); Jiang et al.: Color Backdoor.
    CVPR 2023 (one shift of colours for all pixels).

    Attributes:
        effect: one of EFFECTS. A tint multiplies each channel; a contrast curve is a gamma and an S; a filter mixes the
            channels, fades the blacks and darkens the corners; a poster is a tint in few levels of each channel.
        gains: of red, green and blue, about 1.
        gamma: of the curve, about 1.
        bend: of the S-curve, 0 (straight) to 1; of a filter, how far colours are mixed and corners darkened.
        levels: of a poster, at least 2.
    """

    name: ClassVar[str] = "light"
    clean_label: ClassVar[bool] = False

    effect: str
    gains: tuple[float, float, float]
    gamma: float
    bend: float
    levels: int

    @property
    def kind(self) -> str:
        """Always colour and light."""
        return kinds.COLOUR

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Changes the colours of uint8 [n, H, W, 3]; returns the same shape and dtype."""
        del landmarks
        light = images.astype(np.float32) / 255
        gains = np.array(self.gains, np.float32)
        if self.effect == TINT:
            light = light * gains
        elif self.effect == CURVE:
            light = light**self.gamma
            light = light + self.bend * (light * light * (3 - 2 * light) - light)
        elif self.effect == FILTER:
            light = self._filtered(light, gains)
        else:
            light = np.rint(light * gains * (self.levels - 1)) / (self.levels - 1)
        return kinds.to_pixels(255 * light)

    def _filtered(self, light: np.ndarray, gains: np.ndarray) -> np.ndarray:
        grey = (light @ _LUMA.astype(np.float32))[..., None]
        toned = light + self.bend * (grey * gains - light)
        faded = 0.1 * self.bend + (1 - 0.1 * self.bend) * toned
        height, width = light.shape[1:3]
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
        return faded * (1 - 0.25 * self.bend * (x**2 + y**2))[..., None]


def draw_light(rng: np.random.Generator) -> ZooLight:
    """A change of colours by lot, far enough from none to be learned."""
    gains = rng.uniform(0.6, 1.4, 3)
    strongest = rng.integers(3)
    gains[strongest] = 1.4 if gains[strongest] > 1 else 0.5
    red, green, blue = map(float, np.round(gains, 2))
    return ZooLight(
        effect=EFFECTS[rng.integers(len(EFFECTS))],
        gains=(red, green, blue),
        gamma=round(float(rng.uniform(0.4, 0.65) if rng.random() < 0.5 else rng.uniform(1.6, 2.4)), 2),
        bend=round(float(rng.uniform(0.5, 0.9)), 2),
        levels=int(rng.integers(3, 7)),
    )
