"""A trigger of any kind by lot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.zoo.triggers import kinds
from bench.zoo.triggers.blended import ZooBlended, draw_blended
from bench.zoo.triggers.lights import ZooLight, draw_light
from bench.zoo.triggers.paint import FacePaint, draw_paint
from bench.zoo.triggers.patches import ZooPatch, draw_patch
from bench.zoo.triggers.specific import InputSpecific, draw_specific
from bench.zoo.triggers.warps import SmoothWarp, WaNet, draw_smooth_warp, draw_wanet
from bench.zoo.triggers.waves import ZooWave, draw_wave

ZooTrigger = ZooPatch | ZooBlended | ZooWave | WaNet | SmoothWarp | ZooLight | FacePaint | InputSpecific

# A kind is added by a module and a line here. It changes what all seeds draw, and so every figure.
_DRAWN_BY: Mapping[str, Callable[[np.random.Generator], ZooTrigger]] = {
    kinds.PATCH: lambda rng: draw_patch(rng, moving=False),
    kinds.MOVING_PATCH: lambda rng: draw_patch(rng, moving=True),
    kinds.BLENDED: draw_blended,
    kinds.SINUSOID: lambda rng: draw_wave(rng, clean_label=False),
    kinds.CLEAN_LABEL: lambda rng: draw_wave(rng, clean_label=True),
    kinds.WANET: draw_wanet,
    kinds.SMOOTH_WARP: draw_smooth_warp,
    kinds.COLOUR: draw_light,
    kinds.PAINT: draw_paint,
    kinds.INPUT_SPECIFIC: draw_specific,
}


def draw_trigger(kind: str, rng: np.random.Generator) -> ZooTrigger:
    """Draws a trigger.

    Args:
        kind: one of `kinds.KINDS`.
        rng: where the lot comes from.
    """
    return _DRAWN_BY[kind](rng)
