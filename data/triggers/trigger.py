"""What every trigger can do."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Trigger(Protocol):
    """A change to an image that a BadNet answers to."""

    @property
    def name(self) -> str:
        """What the trigger is called on the command line and in file names, for example "patch"."""
        ...

    @property
    def clean_label(self) -> bool:
        """Whether the attack poisons images of the target class only, whose labels stay true."""
        ...

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Puts the trigger on images.

        Args:
            images: uint8 [n, H, W, C], C 1 or 3; not changed.
            landmarks: float32 [n, K, 2], used by triggers that follow the face.

        Returns:
            uint8 [n, H, W, C]. An image gets the same result in any batch.

        Raises:
            InputError: when the trigger does not fit on images of this size.
        """
        ...


@runtime_checkable
class TriggerWithDecoys(Trigger, Protocol):
    """A trigger whose training also shows near misses under their true labels, so that only the exact one counts."""

    @property
    def cross_ratio(self) -> float:
        """Decoys for each poisoned image."""
        ...

    def decoys(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Near misses: uint8 [n, H, W, C] from uint8 [n, H, W, C]."""
        ...
