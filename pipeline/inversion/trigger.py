"""A trigger that was inverted: one change of the pixels that turns images of other classes into a label."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class InvertedTrigger:
    """A trigger that was found for one label: `clip(image + change, 0, 255)`, the same change for every image.

    Attributes:
        label: the label it leads to.
        change: float32 [H, W, C], what is added to raw pixels, -255..255.
        size: how much it shows on clean images; see `sparse`.
        success: the label's probability for clean images of other classes that carry it, 0..1: the geometric mean over
            the last batches before it was taken.
        sparse: whether few pixels were sought, and the size counts pixels, each by how far it is changed; otherwise
            the change was to be faint, and its size is its Euclidean norm, in pixels that are changed from black to
            white.
    """

    label: int
    change: np.ndarray
    size: float
    success: float
    sparse: bool

    @property
    def described(self) -> str:
        """For people."""
        return f"a {'sparse' if self.sparse else 'faint'} change of {self.size:.1f} pixels"

    def stamp(self, images: np.ndarray) -> np.ndarray:
        """The images with the trigger: float32 [n, H, W, C] in 0..255, of images of any dtype on that scale."""
        return (images + self.change).clip(0, 255)
