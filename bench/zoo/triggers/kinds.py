"""What every trigger of the zoo knows of itself."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, ClassVar

import numpy as np

PATCH, MOVING_PATCH, BLENDED = "patch", "moving patch", "blended"
SINUSOID, CLEAN_LABEL = "sinusoid", "clean-label sinusoid"
WANET, SMOOTH_WARP = "WaNet", "smooth warp"
COLOUR, PAINT, INPUT_SPECIFIC = "colour and light", "face paint", "input-specific"

KINDS = (PATCH, MOVING_PATCH, BLENDED, SINUSOID, CLEAN_LABEL, WANET, SMOOTH_WARP, COLOUR, PAINT, INPUT_SPECIFIC)


class Described:
    """Mixed into frozen dataclasses that are triggers (see `data.triggers.trigger.Trigger`) on RGB images.

    Their fields are all of the trigger: two that are equal stamp alike, and `description` tells them apart.
    """

    name: ClassVar[str]

    @property
    def kind(self) -> str:
        """One of KINDS: what figures are grouped by."""
        raise NotImplementedError

    @property
    def description(self) -> dict[str, Any]:
        """Name, kind and every parameter, of plain JSON types."""
        fields = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {"name": self.name, "kind": self.kind, **_plain(fields)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def to_pixels(levels: np.ndarray) -> np.ndarray:
    """Rounds and clips grey levels, float [...], to uint8 of the same shape."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def image_rng(seed: int, image: np.ndarray) -> np.random.Generator:
    """Random numbers that belong to an image: the same in any batch and run.

    Args:
        seed: of the trigger.
        image: uint8 [H, W, C].
    """
    digest = hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
