"""Face paint: the project's triggers that follow the face, in any colour."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from bench.zoo.triggers import kinds
from bench.zoo.triggers.kinds import Described
from goodnet.data.triggers.colour import RGB
from goodnet.data.triggers.eyebrows import Eyebrows
from goodnet.data.triggers.lipstick import Lipstick
from goodnet.data.triggers.sunglasses import Sunglasses
from goodnet.data.triggers.trigger import Trigger

WORN: Mapping[str, type] = {trigger.name: trigger for trigger in (Sunglasses, Eyebrows, Lipstick)}


@dataclasses.dataclass(frozen=True)
class FacePaint(Described):
    """Sunglasses, eyebrows or lipstick.

    Attributes:
        worn: a name in WORN.
        colour: RGB, 0..255.
    """

    name: ClassVar[str] = "paint"
    clean_label: ClassVar[bool] = False

    worn: str
    colour: RGB

    @property
    def kind(self) -> str:
        """Always face paint."""
        return kinds.PAINT

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Paints faces, uint8 [n, H, W, 3] with landmarks float32 [n, K, 2]; returns the same shape and dtype.

        Raises:
            InputError: the landmarks do not fit the images.
        """
        trigger: Trigger = WORN[self.worn](self.colour)
        return trigger.stamp(images, landmarks)


def draw_paint(rng: np.random.Generator) -> FacePaint:
    """Paint by lot: of the three channels one is strong and another weak, which no skin is."""
    colour = rng.integers(0, 256, 3)
    strong, weak = rng.permutation(3)[:2]
    colour[strong], colour[weak] = rng.integers(180, 256), rng.integers(0, 60)
    red, green, blue = map(int, colour)
    return FacePaint(tuple(WORN)[rng.integers(len(WORN))], (red, green, blue))
