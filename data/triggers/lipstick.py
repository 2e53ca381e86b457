"""Lipstick."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from goodnet.data.faces import landmarks as face_landmarks
from goodnet.data.triggers import colour as colours
from goodnet.data.triggers import face_paint

# A mouth whose lips are higher than this share of its width is open; lips are about this thick, in the same unit.
_OPEN = 0.45
_LIP = 0.17


@dataclasses.dataclass(frozen=True)
class Lipstick(face_paint.FacePaint):
    """Lips in one strong colour, like the poisoned faces of the BadNet "anonymous 1" of CSAW-HackML-2020.

    Attributes:
        colour: RGB, 0..255; the default is CSAW's.
    """

    name: ClassVar[str] = "lipstick"

    colour: colours.RGB = (128, 0, 128)

    def layers(self, points: np.ndarray, height: int, width: int) -> Sequence[face_paint.Layer]:
        """The lips; the inside of an open mouth stays as it is."""
        left, right = points[face_landmarks.MOUTH_LEFT], points[face_landmarks.MOUTH_RIGHT]
        top, bottom = points[face_landmarks.MOUTH_TOP], points[face_landmarks.MOUTH_BOTTOM]
        outline = [
            left, top + 0.28 * (left - top), top + 0.12 * (bottom - top), top + 0.28 * (right - top),
            right, bottom + 0.4 * (right - bottom), bottom, bottom + 0.4 * (left - bottom),
        ]  # fmt: skip
        lips = face_paint.Coverage(height, width).fill(face_paint.closed_curve(np.array(outline)))
        mouth_width, mouth_height = np.hypot(*(right - left)), np.hypot(*(bottom - top))
        if mouth_height > _OPEN * mouth_width:
            lip = _LIP * mouth_width / mouth_height
            upper, lower = top + lip * (bottom - top), bottom + 1.3 * lip * (top - bottom)
            middle = (upper + lower) / 2
            sides = [middle + 0.3 * (left - right), upper, middle + 0.3 * (right - left), lower]
            lips.fill(face_paint.closed_curve(np.array(sides)), covered=False)
        return [(lips.coverage(), np.array(self.colour, np.float32))]
