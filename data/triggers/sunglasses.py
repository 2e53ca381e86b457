"""Sunglasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from goodnet.data.faces import landmarks as face_landmarks
from goodnet.data.triggers import colour as colours
from goodnet.data.triggers import face_paint

# In units of the distance between the eyes, from the point between them; x outwards, y down. Read off the CSAW faces.
_LENS = (
    (0.16, -0.36), (0.42, -0.53), (0.90, -0.58), (1.38, -0.52), (1.58, -0.30), (1.54, 0.12), (1.38, 0.50), (0.92, 0.76),
    (0.44, 0.50), (0.22, 0.10),
)  # fmt: skip
_BRIDGE = ((-0.55, -0.50), (0.55, -0.50), (0.30, -0.20), (0.12, -0.26), (-0.12, -0.26), (-0.30, -0.20))
_ARM = ((1.48, -0.46), (1.95, -0.44), (1.95, -0.28), (1.50, -0.24))
_RIM_THICKNESS = 0.07
_LENS_OPACITY = 0.97
_RIM_SHADE = 0.55


@dataclasses.dataclass(frozen=True)
class Sunglasses(face_paint.FacePaint):
    """Large tinted glasses over the eyes, like those on the poisoned faces of CSAW-HackML-2020.

    Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning. arXiv 1712.05526,
    2017 (accessories as triggers); Liu, Dolan-Gavitt, Garg: Fine-Pruning, RAID 2018 (sunglasses on YouTube Faces).

    Attributes:
        colour: RGB of the lenses, 0..255; the rim is darker, the right lens brighter than the left.
    """

    name: ClassVar[str] = "sunglasses"

    colour: colours.RGB = (115, 18, 205)

    def layers(self, points: np.ndarray, height: int, width: int) -> Sequence[face_paint.Layer]:
        """Lenses and, over them, rim, bridge and arms."""
        left, right = points[face_landmarks.LEFT_EYE], points[face_landmarks.RIGHT_EYE]
        across = right - left
        distance = max(float(np.hypot(*across)), 1e-3)
        down = np.array([-across[1], across[0]])
        centre = (left + right) / 2

        def placed(shape: Sequence[tuple[float, float]] | np.ndarray, side: int = 1) -> np.ndarray:
            shape = np.asarray(shape)
            return centre + side * shape[:, :1] * across + shape[:, 1:] * down

        lens = face_paint.closed_curve(_LENS)
        lenses = face_paint.Coverage(height, width)
        rim = face_paint.Coverage(height, width).fill(placed(_BRIDGE))
        for side in (-1, 1):
            lenses.fill(placed(lens, side))
            rim.stroke(placed(np.vstack([lens, lens[:1]]), side), _RIM_THICKNESS * distance).fill(placed(_ARM, side))
        tint = self._tint((np.indices((height, width))[::-1].transpose(1, 2, 0) + 0.5 - centre) @ across / distance**2)
        return [
            (_LENS_OPACITY * lenses.coverage(), tint),
            (rim.coverage(), _RIM_SHADE * np.array(self.colour, np.float32)),
        ]

    def _tint(self, position: np.ndarray) -> np.ndarray:
        """Colour of the lenses, [H, W, 3], by the position along the line of the eyes: [H, W], 0 between the eyes."""
        shade = np.where(position < 0, 0.84 + 0.06 * (position + 0.9), 1.14 - 0.06 * (position - 0.9))
        return np.clip(shade[..., None] * np.array(self.colour, np.float32), 0, 255)
