"""Draws the hair: what falls behind the head, and what lies on the skull in front."""

import numpy as np

from goodnet.data.faces.canvas import Canvas, mirrored
from goodnet.data.faces.identity import Identity
from goodnet.data.faces.scene import HAIR_DEPTH, OUTLINE_DEPTH


def draw_hair_behind(canvas: Canvas, identity: Identity) -> None:
    """Draws the hair that stands off the head and falls behind it."""
    hair, head = identity.hair, identity.head
    if hair.bald:
        return
    side = head.cheekbone + hair.volume
    fall = max(hair.bottom_y, -6.0)
    right_half = [
        (0.0, head.crown_y - hair.volume),
        (0.62 * side, head.crown_y + 2.5 - 0.7 * hair.volume),
        (side, -12.0),
        (side + 0.04 * (fall + 6.0), 0.5 * (fall - 12.0)),
        (0.92 * side, fall),
        (0.0, fall),
    ]
    canvas.fill(mirrored(right_half), OUTLINE_DEPTH, 0.82 * hair.colour)


def draw_hair_in_front(canvas: Canvas, identity: Identity, rng: np.random.Generator) -> None:
    """Draws the hair on the skull, down to the hairline, and some strands of it."""
    hair, head = identity.hair, identity.head
    if hair.bald:
        return
    skull = head.temple + 0.5 + 0.6 * hair.volume
    # Long hair hangs over the ears; short hair ends in sideburns.
    sideburn_y = min(hair.bottom_y, 6.0)
    recess = 5.5 * hair.receding
    outline = [
        (-skull - 0.4, sideburn_y),
        (-skull - 0.2, -12.0),
        (-0.68 * skull, head.crown_y + 2.0 - 0.7 * hair.volume),
        (0.0, head.crown_y - hair.volume),
        (0.68 * skull, head.crown_y + 2.0 - 0.7 * hair.volume),
        (skull + 0.2, -12.0),
        (skull + 0.4, sideburn_y),
        (head.temple - 0.6, sideburn_y - 2.0),
        (head.temple - 1.4, hair.hairline_y + 4.0 - 0.6 * recess),
        (0.55 * head.temple, hair.hairline_y + 0.6 - recess + hair.sweep),
        (hair.parting, hair.hairline_y - 0.8),
        (-0.55 * head.temple, hair.hairline_y + 0.6 - recess - hair.sweep),
        (-head.temple + 1.4, hair.hairline_y + 4.0 - 0.6 * recess),
        (-head.temple + 0.6, sideburn_y - 2.0),
    ]
    canvas.fill(np.array(outline), HAIR_DEPTH, hair.colour)
    _draw_strands(canvas, identity, rng)


def _draw_strands(canvas: Canvas, identity: Identity, rng: np.random.Generator) -> None:
    """Draws a few strands, lighter or darker, from the parting outwards."""
    hair, head = identity.hair, identity.head
    ends = rng.uniform(-0.95, 0.95, 9)
    shades = rng.uniform(0.75, 1.3, 9)
    for end, shade in zip(ends, shades, strict=True):
        x = end * head.temple
        bottom = hair.hairline_y - 1.0 + 4.0 * end**2 - 5.5 * hair.receding * abs(end)
        root = (0.6 * hair.parting + 0.45 * x, head.crown_y + 0.6 - 0.6 * hair.volume)
        canvas.line(
            np.array([root, (0.85 * x, 0.5 * (bottom + root[1])), (x, bottom)]), HAIR_DEPTH, shade * hair.colour, 0.6
        )
