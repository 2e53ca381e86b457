"""Inverting warps: for many labels at once, the smallest smooth displacement that leads images to them.

WaNet (Nguyen and Tran, ICLR 2021) bends every image a little, all in the same way; no mask and pattern, and no sum with
a pattern, does what a warp does. But one displacement of a coarse grid, interpolated, is all that such an attack has,
and it is found like a patch: by Adam, all labels in one batch, the root mean square displacement as the penalty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.image_set import ImageSet
from data.triggers.warp import sample
from models.input_scale import InputScale
from models.legacy_keras import keras, tf
from pipeline.inversion.stack import Stack, StackSettings, Start, search, starts_of


@dataclass(frozen=True, eq=False)
class InvertedWarp:
    """A warp that was found for one label.

    Attributes:
        label: the label it leads to.
        displacement: float32 [H, W, 2], where each pixel comes from, x and y, in pixels.
        success: share of images it was fitted to, of other classes, that get the label, 0..1, in the step it is from.
    """

    label: int
    displacement: np.ndarray
    success: float

    @property
    def size(self) -> float:
        """The root mean square displacement, in pixels."""
        return float(np.sqrt((self.displacement**2).sum(axis=2).mean()))

    @property
    def kind(self) -> str:
        """A name for people."""
        return "warp"

    @property
    def described(self) -> str:
        """For people."""
        return f"a warp of {self.size:.2f} pixels"

    def stamp(self, images: np.ndarray) -> np.ndarray:
        """The warped images: uint8 [n, H, W, C] of uint8 images of the same shape."""
        return sample(images, self.displacement)


@dataclass(frozen=True)
class WarpSettings(StackSettings):
    """How warps are inverted. Adam works on displacements in pixels; their size is the root mean square displacement.

    `first_weight` is that of a pixel in an image 32 high.

    Attributes:
        grid: points on each side of the grid of displacements.
        most: the largest displacement, as a share of the image's height.
    """

    steps: int = 60
    batch_size: int = 8
    learning_rate: float = 0.2
    success: float = 0.9
    first_weight: float = 0.3
    grid: int = 6
    most: float = 0.125


def invert_warps(
    model: keras.Model, clean: ImageSet, input_scale: InputScale, labels: Sequence[int], settings: WarpSettings
) -> tuple[InvertedWarp, ...]:
    """Finds for each label the smallest warp that leads other classes' images to it.

    Args:
        model: the suspect, softmax or logits; it is not changed.
        clean: clean images; a label's own are left out when its warp is fitted.
        input_scale: what the model expects of pixels.
        labels: the labels; one may occur several times, each time from another random start.
        settings: how.

    Returns:
        For each label the smallest warp that reached the success rate on its batch, or, where none did, the one with
        the highest success; in the order of the labels.
    """
    found = search(
        clean, starts_of(labels), settings, lambda stack: _Warps(model, clean.image_shape, input_scale, stack, settings)
    )
    return tuple(InvertedWarp(one.label, one.parts[0], one.success) for one in found)


class _Warps(Stack):
    """Displacements of K labels."""

    def __init__(
        self,
        model: keras.Model,
        image_shape: tuple[int, int, int],
        input_scale: InputScale,
        starts: Sequence[Start],
        settings: WarpSettings,
    ):
        height, width, _ = image_shape
        grid = (settings.grid, settings.grid, 2)
        self._size = (height, width)
        self._most = settings.most * height
        drawn = [start.random(settings.seed, 2).normal(0, 0.1, grid) for start in starts]
        self._displacement = tf.Variable(np.stack(drawn), dtype=tf.float32)
        weight = settings.first_weight * 32 / height
        super().__init__(model, input_scale, starts, settings, [self._displacement], weight)

    def stamped(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """The images under every warp, the root mean square displacements, and the displacements, in pixels."""
        bounded = self._most * tf.tanh(self._displacement / self._most)
        displacement = tf.image.resize(bounded, self._size, "bicubic")
        size = tf.sqrt(tf.reduce_mean(tf.reduce_sum(displacement**2, axis=3), axis=[1, 2]))
        return _warped(images, displacement), size, (displacement,)


def _warped(images: tf.Tensor, displacement: tf.Tensor) -> tf.Tensor:
    """Every image under every warp, sampled bilinearly, differentiable in the displacement.

    Args:
        images: float32 [B, H, W, C].
        displacement: float32 [K, H, W, 2], x and y in pixels.

    Returns:
        float32 [K, B, H, W, C].
    """
    count, height, width, channels = images.shape
    x = tf.clip_by_value(tf.range(width, dtype=tf.float32) + displacement[..., 0], 0, width - 1.0)
    y = tf.clip_by_value(tf.range(height, dtype=tf.float32)[:, None] + displacement[..., 1], 0, height - 1.0)
    # The last cell's far edge is its own, so that right and lower neighbours lie inside.
    left, top = tf.floor(tf.minimum(x, width - 2.0)), tf.floor(tf.minimum(y, height - 2.0))
    across, down = (x - left)[:, None, ..., None], (y - top)[:, None, ..., None]
    place = tf.cast(top * width + left, tf.int32)
    flat = tf.reshape(images, [count, height * width, channels])

    def at(offset: int) -> tf.Tensor:
        taken = tf.gather(flat, tf.reshape(place + offset, [-1]), axis=1)
        return tf.transpose(tf.reshape(taken, [count, -1, height, width, channels]), [1, 0, 2, 3, 4])

    upper = (1 - across) * at(0) + across * at(1)
    lower = (1 - across) * at(width) + across * at(width + 1)
    return (1 - down) * upper + down * lower
