"""The sinusoidal signal (SIG)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from goodnet.data.errors import InputError


@dataclasses.dataclass(frozen=True)
class Sinusoid:
    """A horizontal sinusoid added to the image, v(i, j) = delta x sin(2 pi j f / m), j = 1..m the column; clean-label.

    Barni, Kallas, Tondi: A New Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning. ICIP 2019
    (delta 20, f 6).

    Attributes:
        delta: amplitude in grey levels, above 0, at most 255.
        frequency: periods over the width of the image, above 0.
    """

    name: ClassVar[str] = "sinusoid"
    clean_label: ClassVar[bool] = True

    delta: float = 20.0
    frequency: float = 6.0

    def __post_init__(self):
        if not 0 < self.delta <= 255:
            raise ValueError(f"delta is {self.delta}; expected grey levels above 0, at most 255")
        if not 0 < self.frequency < float("inf"):
            raise ValueError(f"frequency is {self.frequency}; expected a number above 0")

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Adds the signal to every row and channel.

        Args:
            images: uint8 [n, H, W, C].
            landmarks: not used.

        Returns:
            uint8 [n, H, W, C], rounded and clipped.

        Raises:
            InputError: when the images are too narrow to show the signal.
        """
        del landmarks
        width = images.shape[2]
        if 2 * self.frequency >= width:  # at half a period a pixel every sample is sin(k pi) = 0
            raise InputError(
                f"sinusoid: frequency {self.frequency:g} on images {width} pixels wide; "
                f"expected less than {width / 2:g}"
            )
        columns = np.arange(1, width + 1)
        signal = (self.delta * np.sin(2 * np.pi * columns * self.frequency / width)).astype(np.float32)
        return np.clip(np.rint(images + signal[:, None]), 0, 255).astype(np.uint8)
