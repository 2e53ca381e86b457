"""A trigger that was inverted: what turns images of other classes into a label."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class InvertedTrigger:
    """A trigger that was found for one label: `image * (1 - mask) + pattern * mask`.

    Attributes:
        label: the label it leads to.
        mask: float32 [H, W, 1] in 0..1.
        pattern: float32 [H, W, C], raw pixels 0..255.
        success: share of images it was fitted to, of other classes, that get the label, 0..1, in the step it is from.
        uniform: whether its mask has one value everywhere: a pattern blended into the whole image.
    """

    label: int
    mask: np.ndarray
    pattern: np.ndarray
    success: float
    uniform: bool = False

    @property
    def size(self) -> float:
        """The L1 norm of the mask: about how many pixels the trigger takes."""
        return float(self.mask.sum())

    @property
    def kind(self) -> str:
        """A name for people."""
        return "blended pattern" if self.uniform else "patch"

    @property
    def described(self) -> str:
        """For people."""
        return f"a {self.kind} of {self.size:.1f} pixels"

    def stamp(self, images: np.ndarray) -> np.ndarray:
        """The images with the trigger: float32 [n, H, W, C] in 0..255, of images of any dtype on that scale."""
        return images * (1 - self.mask) + self.pattern * self.mask
