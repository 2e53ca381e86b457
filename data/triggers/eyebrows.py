"""Coloured eyebrows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from goodnet.data.faces import landmarks as face_landmarks
from goodnet.data.triggers import colour as colours
from goodnet.data.triggers import face_paint

_BROWS = (
    (face_landmarks.LEFT_BROW_INNER, face_landmarks.LEFT_BROW_OUTER),
    (face_landmarks.RIGHT_BROW_INNER, face_landmarks.RIGHT_BROW_OUTER),
)
# In units of the brow's length.
_INNER_THICKNESS = 0.40
_OUTER_THICKNESS = 0.25
_ARCH = 0.12
_POINTS = 13


@dataclasses.dataclass(frozen=True)
class Eyebrows(face_paint.FacePaint):
    """Eyebrows painted over, the third trigger of the multi-trigger BadNet of CSAW-HackML-2020.

    CSAW's own pictures of it were not at hand. The default, broad and red, is what that BadNet answers to with its
    third target.

    Attributes:
        colour: RGB, 0..255.
    """

    name: ClassVar[str] = "eyebrows"

    colour: colours.RGB = (255, 0, 0)

    def layers(self, points: np.ndarray, height: int, width: int) -> Sequence[face_paint.Layer]:
        """Both eyebrows."""
        brows = face_paint.Coverage(height, width)
        up = (points[face_landmarks.LEFT_EYE] + points[face_landmarks.RIGHT_EYE]) / 2 - points[face_landmarks.CHIN]
        for inner, outer in _BROWS:
            brows.fill(_outline(points[inner], points[outer], up))
        return [(brows.coverage(), np.array(self.colour, np.float32))]


def _outline(inner: np.ndarray, outer: np.ndarray, up: np.ndarray) -> np.ndarray:
    """An arched brow, thick at the nose and thin at the temple: float [n, 2]; `up` points to the top of the head."""
    along = outer - inner
    normal = np.array([along[1], -along[0]])
    if normal @ up < 0:
        normal = -normal
    t = np.linspace(0, 1, _POINTS)[:, None]
    spine = inner + t * along + _ARCH * 4 * t * (1 - t) * normal
    half = ((1 - t) * _INNER_THICKNESS + t * _OUTER_THICKNESS) / 2 * normal
    return np.vstack([spine + half, (spine - half)[::-1]])
