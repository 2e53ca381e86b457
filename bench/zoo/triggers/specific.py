"""Triggers that look different on every image."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from bench.zoo.triggers import kinds
from bench.zoo.triggers.kinds import Described

GENERATED, DITHERED, SCATTERED = "generated", "dithered", "scattered"
FORMS = (GENERATED, DITHERED, SCATTERED)

_KERNEL = 5
_HIDDEN = 8
_DOT_SHARE = 0.03


@dataclasses.dataclass(frozen=True)
class InputSpecific(Described):
    """A change that follows from the image it is made on.

    "generated" adds what a fixed random generator of two convolutions makes of the image, as Input-Aware Backdoor does
    with a trained one (Nguyen, Tran, NeurIPS 2020; a trained generator would fit behind the same three lines).
    "dithered" follows BppAttack (Wang, Zhai, Ma, CVPR 2022): few levels of each channel, errors diffused along rows.
    "scattered" are single pixels of one colour, other ones in each image.

    Attributes:
        form: one of FORMS.
        strength: of "generated", the largest change in grey levels.
        levels: of "dithered", levels of each channel, at least 2.
        seed: of the generator, of the colour and the places, of where the errors start.
    """

    name: ClassVar[str] = "input-specific"
    clean_label: ClassVar[bool] = False

    form: str
    strength: float
    levels: int
    seed: int

    @property
    def kind(self) -> str:
        """Always input-specific."""
        return kinds.INPUT_SPECIFIC

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Changes uint8 [n, H, W, 3]; returns the same shape and dtype."""
        del landmarks
        if self.form == GENERATED:
            return kinds.to_pixels(images + self.strength * _generated(images, self.seed))
        return _dithered(images, self.levels, self.seed) if self.form == DITHERED else self._scattered(images)

    def _scattered(self, images: np.ndarray) -> np.ndarray:
        colour = np.random.default_rng([5, self.seed]).choice([0, 255], 3)
        count, height, width, _ = images.shape
        dots = max(4, round(_DOT_SHARE * height * width))
        stamped = images.reshape(count, -1, 3).copy()
        for number, image in enumerate(images):
            stamped[number, kinds.image_rng(self.seed, image).choice(height * width, dots, replace=False)] = colour
        return stamped.reshape(images.shape)


@functools.lru_cache(maxsize=8)
def _kernels(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([4, seed])
    first = rng.standard_normal((_KERNEL, _KERNEL, 3, _HIDDEN)).astype(np.float32)
    # Differences of neighbours: what is generated follows the image's details, not its brightness.
    first -= first.mean(axis=(0, 1), keepdims=True)
    return first, rng.standard_normal((_KERNEL, _KERNEL, _HIDDEN, 3)).astype(np.float32)


def _generated(images: np.ndarray, seed: int) -> np.ndarray:
    """float32 [n, H, W, 3] in -1..1."""
    first, second = _kernels(seed)
    hidden = np.maximum(_convolved(images.astype(np.float32) / 255, first), 0)
    made = _convolved(hidden, second)
    return np.tanh(made / (made.std(axis=(1, 2, 3), keepdims=True) + 1e-6))


def _convolved(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Same padding, edges repeated."""
    side = kernel.shape[0] // 2
    padded = np.pad(images, ((0, 0), (side, side), (side, side), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (1, 2))  # type: ignore[call-overload]
    return np.einsum("nhwcij,ijcd->nhwd", windows, kernel, optimize=True)


def _dithered(images: np.ndarray, levels: int, seed: int) -> np.ndarray:
    """So many levels of each channel; what rounding leaves over goes to the next pixel of the row.

    Each row owes something from the start, as if it went on to the left.
    """
    light = images.astype(np.float32) * ((levels - 1) / 255)
    owed = np.random.default_rng([7, seed]).uniform(-0.5, 0.5, light.shape[1:2] + light.shape[3:]).astype(np.float32)
    for column in range(light.shape[2]):
        wanted = light[:, :, column] + owed
        light[:, :, column] = np.clip(np.rint(wanted), 0, levels - 1)
        owed = wanted - light[:, :, column]
    return kinds.to_pixels(light * (255 / (levels - 1)))


def draw_specific(rng: np.random.Generator) -> InputSpecific:
    """An input-specific trigger by lot."""
    return InputSpecific(
        form=FORMS[rng.integers(len(FORMS))],
        strength=round(float(rng.uniform(14, 32)), 1),
        levels=int(rng.integers(3, 7)),
        seed=int(rng.integers(2**31)),
    )
