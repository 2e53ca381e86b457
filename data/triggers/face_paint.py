"""Drawing on faces by their landmarks: shapes with soft edges, laid over uint8 images."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw

from goodnet.data.errors import InputError
from goodnet.data.faces import landmarks as face_landmarks
from goodnet.data.triggers import colour as colours

Layer = tuple[np.ndarray, np.ndarray]
"""Coverage float32 [H, W] in 0..1, and what covers: RGB [3] or [H, W, 3], 0..255."""

_SUPERSAMPLING = 8
_FINEST_SIDE = 4096


class Coverage:
    """How much of each pixel a shape covers, drawn enlarged (eightfold for small images) for soft edges."""

    def __init__(self, height: int, width: int):
        """Nothing covered yet, on images of `height` x `width`."""
        self._scale = min(_SUPERSAMPLING, max(1, _FINEST_SIDE // max(height, width)))
        self._mask = Image.new("L", (width * self._scale, height * self._scale))
        self._draw = ImageDraw.Draw(self._mask)

    def fill(self, outline: np.ndarray, covered: bool = True) -> Coverage:
        """Covers, or uncovers, the inside of a polygon: float [n, 2], x and y in pixels."""
        self._draw.polygon([tuple(point) for point in outline * self._scale], fill=255 * covered)
        return self

    def stroke(self, line: np.ndarray, thickness: float) -> Coverage:
        """Covers a line with round ends: float [n, 2] in pixels, and its thickness in pixels."""
        radius = max(0.5, thickness * self._scale / 2)
        points = [tuple(point) for point in line * self._scale]
        self._draw.line(points, fill=255, width=max(1, round(2 * radius)), joint="curve")
        for x, y in (points[0], points[-1]):
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        return self

    def coverage(self) -> np.ndarray:
        """float32 [H, W] in 0..1."""
        fine = np.asarray(self._mask, np.float32) / 255
        height, width = fine.shape[0] // self._scale, fine.shape[1] // self._scale
        return fine.reshape(height, self._scale, width, self._scale).mean(axis=(1, 3))


def closed_curve(points: Sequence[tuple[float, float]] | np.ndarray, samples: int = 8) -> np.ndarray:
    """A smooth closed curve through points (Catmull-Rom): float [n, 2] -> float [n x samples, 2]."""
    knots = np.asarray(points, np.float64)
    before, after, beyond = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
    t = np.linspace(0, 1, samples, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (array[:, None] for array in (before, knots, after, beyond))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return curve.reshape(-1, 2)


def _overlay(image: np.ndarray, layers: Sequence[Layer]) -> np.ndarray:
    """Lays the same layers on one image [H, W, C] or on several [n, H, W, C]."""
    painted = image.astype(np.float32)
    for coverage, colour in layers:
        painted += coverage[..., None] * (colours.in_channels(colour, image.shape[-1]) - painted)
    return np.clip(np.rint(painted), 0, 255).astype(np.uint8)


def paint(
    images: np.ndarray,
    landmarks: np.ndarray | None,
    layers: Callable[[np.ndarray, int, int], Sequence[Layer]],
) -> np.ndarray:
    """Lays on each image what its landmarks call for.

    Args:
        images: uint8 [n, H, W, C].
        landmarks: float32 [n, K, 2] in the order of data/faces/landmarks.py; None: those of the mean aligned face.
        layers: gives the layers, bottom one first, for landmarks [K, 2] on an image of height H and width W.

    Returns:
        uint8 [n, H, W, C].

    Raises:
        InputError: when the landmarks do not fit the images.
    """
    _, height, width, _ = images.shape
    if landmarks is None:
        shared = layers(face_landmarks.mean_landmarks(height, width).astype(np.float64), height, width)
        return _overlay(images, shared)
    if landmarks.shape != (len(images), face_landmarks.COUNT, 2):
        raise InputError(
            f"landmarks of shape {list(landmarks.shape)} for {len(images)} faces; "
            f"expected [{len(images)}, {face_landmarks.COUNT}, 2]"
        )
    painted = images.copy()
    for position, points in enumerate(landmarks):
        painted[position] = _overlay(images[position], layers(points.astype(np.float64), height, width))
    return painted


@dataclasses.dataclass(frozen=True)
class FacePaint(abc.ABC):
    """A trigger that is painted on faces.

    Attributes:
        colour: RGB, 0..255.
    """

    clean_label: ClassVar[bool] = False

    colour: colours.RGB

    def __post_init__(self):
        colours.check_colour(self.colour)

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Paints faces.

        Args:
            images: uint8 [n, H, W, C].
            landmarks: float32 [n, K, 2]; None: the faces are aligned like CSAW's.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            InputError: when the landmarks do not fit the images.
        """
        return paint(images, landmarks, self.layers)

    @abc.abstractmethod
    def layers(self, points: np.ndarray, height: int, width: int) -> Sequence[Layer]:
        """What is painted, bottom layer first, for landmarks [K, 2] on an image of height H and width W."""
