"""Variations of an inverted trigger: the real one is larger, stronger and elsewhere.

Inversion ends in the smallest thing that still works, often a part of the trigger. To unlearn the part alone leaves the
whole working; a network that shall be indifferent to the whole sees the part grown, moved and opaque. But it shall also
still see the image: what covers too much of it has no right answer left, and to learn it costs clean accuracy.
"""

from dataclasses import replace

import numpy as np

from pipeline.inversion.suspicious import Trigger
from pipeline.inversion.warps import InvertedWarp
from pipeline.inversion.waves import InvertedWave

# In height and in width.
_MOST_GROWTH = 3.0
# Of the image's pixels; a trigger that was inverted larger than that does not grow.
_MOST_AREA = 0.08
_MOST_OPACITY = 4.0
# Of a blended pattern, how many times itself, and up to what share of the image.
_MOST_BLENDED_GROWTH = 2.0
_MOST_BLENDED_OPACITY = 0.2
_MOST_WARP_GROWTH = 2.0
_WAVE_GROWTH = (0.75, 2.0)
# In turns, in either direction.
_MOST_WAVE_SHIFT = 0.1
# Of height and width, in either direction.
_MOST_SHIFT = 0.1


def varied(trigger: Trigger, rng: np.random.Generator) -> Trigger:
    """A patch grown around its centre, moved and made more opaque, each at random; anything else made stronger.

    Args:
        trigger: the trigger; it is not changed.
        rng: the source of size, place and opacity.
    """
    if isinstance(trigger, InvertedWarp):
        return replace(trigger, displacement=trigger.displacement * rng.uniform(1, _MOST_WARP_GROWTH))
    if isinstance(trigger, InvertedWave):
        amplitude = trigger.amplitude * rng.uniform(*_WAVE_GROWTH)
        phase = trigger.phase + rng.uniform(-_MOST_WAVE_SHIFT, _MOST_WAVE_SHIFT)
        return replace(trigger, amplitude=amplitude, phase=phase)
    if trigger.uniform:
        room = _MOST_BLENDED_OPACITY / max(float(trigger.mask.max()), 1e-9)
        return replace(trigger, mask=trigger.mask * rng.uniform(1, np.clip(room, 1, _MOST_BLENDED_GROWTH)))
    opacity = rng.uniform(1, _MOST_OPACITY)
    height, width, _ = trigger.mask.shape
    room = np.sqrt(_MOST_AREA * height * width / max(trigger.size, 1e-9))
    growth = rng.uniform(1, np.clip(room, 1, _MOST_GROWTH), 2)
    moved = rng.uniform(-_MOST_SHIFT, _MOST_SHIFT, 2) * (height, width)
    centre = _centre(trigger.mask)
    # Of every pixel of the result the one it is taken from.
    rows = np.rint((np.arange(height) - centre[0] - moved[0]) / growth[0] + centre[0]).astype(int)
    columns = np.rint((np.arange(width) - centre[1] - moved[1]) / growth[1] + centre[1]).astype(int)
    inside = np.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))[:, :, None]
    taken = np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))
    return replace(trigger, mask=np.minimum(trigger.mask[taken] * opacity, 1) * inside, pattern=trigger.pattern[taken])


def _centre(mask: np.ndarray) -> tuple[float, float]:
    weights = mask[:, :, 0] / max(float(mask.sum()), 1e-9)
    height, width = weights.shape
    return float(weights.sum(axis=1) @ np.arange(height)), float(weights.sum(axis=0) @ np.arange(width))
