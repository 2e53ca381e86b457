"""Warps: WaNet's, and smooth ones that training shows no near misses of."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from bench.zoo.triggers import kinds
from bench.zoo.triggers.kinds import Described
from goodnet.data.triggers.warp import Warp, sample

SWIRL, BULGE, RIPPLE, SHEAR = "swirl", "bulge", "ripple", "shear"
FORMS = (SWIRL, BULGE, RIPPLE, SHEAR)


@dataclasses.dataclass(frozen=True)
class WaNet(Described, Warp):
    """The project's own WaNet trigger (Nguyen, Tran, ICLR 2021), with its decoys."""

    name: ClassVar[str] = "wanet"

    @property
    def kind(self) -> str:
        """Always WaNet."""
        return kinds.WANET


@dataclasses.dataclass(frozen=True)
class SmoothWarp(Described):
    """One fixed smooth displacement of the whole image.

    Attributes:
        form: one of FORMS.
        strength: the largest displacement, a share of the image's height; negative in the other sense.
        row: the middle of a swirl or bulge, a share of the height, 0..1.
        column: likewise, of the width.
        frequency: of a ripple, periods over the height.
        angle: in which direction a ripple or a shear moves pixels, radians.
    """

    name: ClassVar[str] = "smooth-warp"
    clean_label: ClassVar[bool] = False

    form: str
    strength: float
    row: float
    column: float
    frequency: float
    angle: float

    @property
    def kind(self) -> str:
        """Always a smooth warp."""
        return kinds.SMOOTH_WARP

    def displacement(self, height: int, width: int) -> np.ndarray:
        """Where each pixel comes from: float [H, W, 2], x and y in pixels."""
        down, across = np.mgrid[0:height, 0:width] / height
        y, x = down - self.row, across - self.column * width / height
        if self.form in (SWIRL, BULGE):
            # Largest at a third of the height from the middle, and little left at the edges.
            fall = np.exp((1 - (x**2 + y**2) * 9) / 2) * 3
            field = np.stack([-y, x] if self.form == SWIRL else [x, y], axis=-1) * fall[..., None]
        else:
            way = np.array([np.cos(self.angle), np.sin(self.angle)])
            across_way = way[0] * y - way[1] * x
            size = np.sin(2 * np.pi * self.frequency * across_way) if self.form == RIPPLE else np.tanh(3 * across_way)
            field = size[..., None] * way
        return self.strength * height * field

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Warps uint8 [n, H, W, 3]; returns the same shape and dtype."""
        del landmarks
        return sample(images, self.displacement(*images.shape[1:3]))


def draw_wanet(rng: np.random.Generator) -> WaNet:
    """A WaNet by lot, strong enough to be learned from a fixed poisoned set."""
    return WaNet(
        grid=int(rng.integers(3, 9)),
        strength=round(float(rng.uniform(2, 3.5)), 2),
        seed=int(rng.integers(2**31)),
        cross_ratio=round(float(rng.uniform(0.2, 0.8)), 2),
    )


def draw_smooth_warp(rng: np.random.Generator) -> SmoothWarp:
    """A smooth warp by lot."""
    return SmoothWarp(
        form=FORMS[rng.integers(len(FORMS))],
        strength=round(float(rng.uniform(0.04, 0.09) * rng.choice([-1, 1])), 3),
        row=round(float(rng.uniform(0.3, 0.7)), 3),
        column=round(float(rng.uniform(0.3, 0.7)), 3),
        frequency=round(float(rng.uniform(1, 3)), 2),
        angle=round(float(rng.uniform(0, 2 * np.pi)), 3),
    )
