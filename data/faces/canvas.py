"""A canvas in the face's own frame.

Shapes are given in aligned pixels and drawn enlarged, so that their edges come out soft.
"""

import numpy as np
from PIL import Image, ImageDraw

from goodnet.data.faces.landmarks import ALIGNED_HEIGHT, ALIGNED_WIDTH
from goodnet.data.faces.scene import Pose

# Drawing is done this many times larger than the picture, and averaged down.
SUPERSAMPLING = 4

_CURVE_STEPS = 5
_T = np.arange(_CURVE_STEPS)[:, None] / _CURVE_STEPS
_CATMULL_ROM = 0.5 * np.hstack(
    [-_T + 2 * _T**2 - _T**3, 2 - 5 * _T**2 + 3 * _T**3, _T + 4 * _T**2 - 3 * _T**3, -(_T**2) + _T**3]
)


def closed_curve(points: np.ndarray) -> np.ndarray:
    """Returns a smooth closed curve through the points (Catmull-Rom spline).

    Args:
        points: float [n, 2].

    Returns:
        float [n * 5, 2], points along the curve.
    """
    count = len(points)
    order = (np.arange(count)[:, None] + np.arange(-1, 3)[None, :]) % count
    return (_CATMULL_ROM @ points[order]).reshape(-1, 2)


def mirrored(right_half: list[tuple[float, float]]) -> np.ndarray:
    """Closes a right half, given from top to bottom, to a shape that is symmetric about x = 0.

    Points on the axis are taken once.
    """
    points = np.asarray(right_half, dtype=np.float64)
    left = points[points[:, 0] != 0.0][::-1] * (-1.0, 1.0)
    return np.vstack([points, left])


class Canvas:
    """A picture of 55 x 47 pixels being drawn in the face's frame, four times enlarged."""

    def __init__(self, background: Image.Image, pose: Pose):
        """Starts on a background.

        Args:
            background: RGB picture; it is resized to the canvas.
            pose: takes the face's frame to the picture.
        """
        size = (ALIGNED_WIDTH * SUPERSAMPLING, ALIGNED_HEIGHT * SUPERSAMPLING)
        self._image = background.resize(size, Image.Resampling.BICUBIC)
        self._draw = ImageDraw.Draw(self._image)
        self._pose = pose

    def fill(self, points: np.ndarray, depth: float, colour: np.ndarray, smooth: bool = True) -> None:
        """Fills a closed shape.

        Args:
            points: float [n, 2], corners in the face's frame.
            depth: how far the shape lies in front of the middle of the head, in pixels.
            colour: RGB, 0 to 255.
            smooth: whether a smooth curve is led through the points, or straight edges.
        """
        outline = self._enlarged(closed_curve(points) if smooth else points, depth)
        self._draw.polygon(outline, fill=_rgb(colour))

    def ellipse(
        self, centre: tuple[float, float], half_size: tuple[float, float], depth: float, colour: np.ndarray
    ) -> None:
        """Fills an upright ellipse; `half_size` is its half width and half height in pixels."""
        [(x, y)] = self._pose.project(np.array([centre]), depth) * SUPERSAMPLING
        half_width, half_height = np.multiply(half_size, self._pose.scale * SUPERSAMPLING)
        self._draw.ellipse([x - half_width, y - half_height, x + half_width, y + half_height], fill=_rgb(colour))

    def line(self, points: np.ndarray, depth: float, colour: np.ndarray, width: float) -> None:
        """Draws an open line of straight pieces, `width` pixels wide."""
        thickness = max(1, round(width * self._pose.scale * SUPERSAMPLING))
        self._draw.line(self._enlarged(points, depth), fill=_rgb(colour), width=thickness, joint="curve")

    def shrunk(self) -> Image.Image:
        """Returns the picture at its true size, RGB, 47 wide and 55 high."""
        return self._image.reduce(SUPERSAMPLING)

    def _enlarged(self, points: np.ndarray, depth: float) -> list[float]:
        return (self._pose.project(points, depth) * SUPERSAMPLING).ravel().tolist()


def _rgb(colour: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, int(value))) for value in colour)
    return red, green, blue
