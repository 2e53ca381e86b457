"""Draws what carries the face: neck and clothes, ears, and the skin of the head."""

import numpy as np

from goodnet.data.faces.canvas import Canvas, mirrored
from goodnet.data.faces.identity import Identity
from goodnet.data.faces.scene import OUTLINE_DEPTH, Expression


def draw_body(canvas: Canvas, identity: Identity) -> None:
    """Draws neck, shirt and coat; the neck lies in the head's shadow."""
    head, clothes = identity.head, identity.clothes
    y = clothes.shoulder_y
    neck = [(0.0, 10.0), (head.neck, 10.0), (head.neck + 0.6, y), (head.neck + 4.0, y + 4.0), (0.0, y + 14.0)]
    canvas.fill(mirrored(neck), OUTLINE_DEPTH, 0.72 * identity.skin)
    shoulders = [(head.neck + 0.4, y - 1.0), (head.neck + 9.0, y + 3.0), (40.0, y + 9.0), (40.0, 60.0), (0.0, 60.0)]
    shirt = [(0.0, y + clothes.neckline), (head.neck - 0.2, y - 1.5), *shoulders[1:]]
    canvas.fill(mirrored(shirt), OUTLINE_DEPTH, clothes.shirt, smooth=False)
    coat = [(0.0, y + clothes.neckline + 6.0), *shoulders]
    canvas.fill(mirrored(coat), OUTLINE_DEPTH, clothes.coat, smooth=False)


def draw_ears(canvas: Canvas, identity: Identity) -> None:
    """Draws both ears, a little darker than the face."""
    head = identity.head
    for side in (-1.0, 1.0):
        centre = (side * (head.cheekbone + 0.35), -2.5)
        canvas.ellipse(centre, (0.5 * head.ear_size, head.ear_size), OUTLINE_DEPTH, 0.86 * identity.skin)


def draw_skin(canvas: Canvas, identity: Identity, expression: Expression) -> None:
    """Fills the outline of the face; an open mouth lowers the chin."""
    canvas.fill(face_outline(identity, expression), OUTLINE_DEPTH, identity.skin)


def face_outline(identity: Identity, expression: Expression) -> np.ndarray:
    """Returns the outline of the face: float64 [n, 2] in the face's frame, without the ears."""
    head = identity.head
    chin_y = head.chin_y + 0.35 * expression.mouth_opening
    right_half = [
        (0.0, head.crown_y),
        (0.62 * head.temple, head.crown_y + 2.4),
        (0.97 * head.temple, -15.0),
        (head.temple, -9.0),
        (head.cheekbone, -1.0),
        (head.jaw, 10.5),
        (head.chin_width, chin_y - 2.4),
        (0.0, chin_y),
    ]
    return mirrored(right_half)
