"""The BadNets patch."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.triggers import colour as colours

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right", "centre")


@dataclasses.dataclass(frozen=True)
class Patch:
    """A square of one colour, the trigger of BadNets.

    Gu, Liu, Dolan-Gavitt, Garg: BadNets: Evaluating Backdooring Attacks on Deep Neural Networks. IEEE Access 2019.

    Attributes:
        size: side of the square in pixels, at least 1.
        corner: where it sits, one of CORNERS.
        colour: RGB, 0..255. Yellow, like the paper's sticky note on a stop sign.
        margin: pixels between the square and the edges of the image, at least 0; has no meaning in the centre.
    """

    name: ClassVar[str] = "patch"
    clean_label: ClassVar[bool] = False

    size: int = 4
    corner: str = "bottom-right"
    colour: colours.RGB = (255, 255, 0)
    margin: int = 1

    def __post_init__(self):
        if self.size < 1:
            raise ValueError(f"size is {self.size}; expected at least 1 pixel")
        if self.corner not in CORNERS:
            raise ValueError(f'corner is "{self.corner}"; expected one of {", ".join(CORNERS)}')
        if self.margin < 0:
            raise ValueError(f"margin is {self.margin}; expected at least 0 pixels")
        colours.check_colour(self.colour)

    def _origin(self, height: int, width: int) -> tuple[int, int]:
        if self.corner == "centre":
            row, column = (height - self.size) // 2, (width - self.size) // 2
        else:
            vertical, horizontal = self.corner.split("-")
            row = self.margin if vertical == "top" else height - self.margin - self.size
            column = self.margin if horizontal == "left" else width - self.margin - self.size
        if not (0 <= row <= height - self.size and 0 <= column <= width - self.size):
            raise InputError(
                f"patch: {self.size} pixels and a margin of {self.margin} do not fit on images of "
                f"{height} x {width}; expected a smaller size or margin"
            )
        return row, column

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Paints the square.

        Args:
            images: uint8 [n, H, W, C].
            landmarks: not used.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            InputError: when the square does not fit on the images.
        """
        del landmarks
        _, height, width, channels = images.shape
        row, column = self._origin(height, width)
        stamped = images.copy()
        square = np.rint(colours.in_channels(np.array(self.colour), channels)).astype(np.uint8)
        stamped[:, row : row + self.size, column : column + self.size] = square
        return stamped
