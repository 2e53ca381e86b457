"""Draws what lies on the face: nose, beard, mouth, eyes, brows and spectacles."""

import numpy as np

from goodnet.data.faces.canvas import Canvas
from goodnet.data.faces.features import Features
from goodnet.data.faces.identity import Identity
from goodnet.data.faces.scene import BROW_DEPTH, EYE_DEPTH, MOUTH_DEPTH, NOSE_DEPTH, OUTLINE_DEPTH, Expression, Light

_SCLERA = np.array([226.0, 220.0, 214.0])
_PUPIL = np.array([12.0, 10.0, 10.0])
_TEETH = np.array([232.0, 226.0, 214.0])
_MOUTH_INSIDE = np.array([58.0, 18.0, 20.0])
_SIDES = (-1.0, 1.0)


def draw_nose(canvas: Canvas, identity: Identity, light: Light) -> None:
    """Draws the nose: the side away from the lamp in shadow, the nostrils, the shadow below the tip."""
    nose, skin = identity.nose, identity.skin
    dark_side = -1.0 if light.direction[0] > 0 else 1.0
    strength = nose.ridge * min(1.0, 2.0 * abs(light.direction[0]))
    brow_y = identity.eyes.y - 1.5
    flank = np.array(
        [
            (dark_side * 0.9, brow_y),
            (dark_side * 1.9, brow_y + 2.5),
            (dark_side * nose.half_width, nose.tip_y - 0.3),
            (dark_side * 1.0, nose.tip_y + 0.4),
        ]
    )
    canvas.fill(flank, EYE_DEPTH + 2.0, (1.0 - 0.2 * strength) * skin, smooth=False)
    below = np.array(
        [(-0.8 * nose.half_width, nose.tip_y + 1.0), (0.0, nose.tip_y + 2.0), (0.8 * nose.half_width, nose.tip_y + 1.0)]
    )
    canvas.line(below, NOSE_DEPTH - 2.0, 0.76 * skin, 0.8)
    for side in _SIDES:
        canvas.ellipse((side * nose.half_width, nose.tip_y + 0.2), (0.45, 1.0), NOSE_DEPTH - 3.0, 0.78 * skin)
        canvas.ellipse((side * 0.55 * nose.half_width, nose.tip_y + 1.0), (0.75, 0.5), NOSE_DEPTH - 2.0, 0.42 * skin)


def draw_beard(canvas: Canvas, identity: Identity, expression: Expression) -> None:
    """Draws beard and moustache, opaque by the identity's share of them."""
    head, beard, mouth = identity.head, identity.beard, identity.mouth
    chin_y = head.chin_y + 0.35 * expression.mouth_opening
    if beard.cheeks > 0.05:
        right = [
            (0.5 * (head.jaw + head.cheekbone) + 0.3, 4.5),
            (head.jaw + 0.3, 10.5),
            (head.chin_width, chin_y - 2.1),
            (0.0, chin_y + 0.3),
        ]
        inner = [(0.0, mouth.y + 3.2), (mouth.half_width + 1.0, mouth.y + 1.0), (mouth.half_width + 2.4, mouth.y - 4.0)]
        left = [(-x, y) for x, y in right[2::-1]] + [(-x, y) for x, y in inner[:0:-1]]
        outline = np.array([*right, *left, *inner])
        canvas.fill(outline, OUTLINE_DEPTH, _mixed(identity.skin, 0.8 * identity.hair.colour, beard.cheeks))
    if beard.moustache > 0.05:
        y = 0.5 * (identity.nose.tip_y + 2.0 + mouth.y)
        reach = mouth.half_width + 0.4
        outline = np.array(
            [
                (0.0, y - 0.9),
                (reach - 1.5, y + 0.2),
                (reach, y + 2.0),
                (0.0, y + 1.2),
                (-reach, y + 2.0),
                (1.5 - reach, y + 0.2),
            ]
        )
        canvas.fill(outline, MOUTH_DEPTH, _mixed(identity.skin, 0.8 * identity.hair.colour, beard.moustache))


def draw_mouth(canvas: Canvas, identity: Identity, features: Features, expression: Expression) -> None:
    """Draws the lips, the line between them or the opening, and the teeth that a smile or speech shows."""
    left, right, top, upper_edge, lower_edge, bottom = features.mouth
    half = 0.45 * right[0]
    bow = np.array([(-half, top[1] + 0.15), (0.0, top[1] + 0.3), (half, top[1] + 0.15)])
    floor = np.array([(half, bottom[1] - 0.25), (0.0, bottom[1]), (-half, bottom[1] - 0.25)])
    canvas.fill(np.vstack([left, bow, right, floor]), MOUTH_DEPTH, identity.mouth.colour)
    ceiling = np.array([(-half, upper_edge[1] + 0.1), (half, upper_edge[1] + 0.1)])
    ground = np.array([(half, lower_edge[1] - 0.1), (-half, lower_edge[1] - 0.1)])
    if expression.mouth_opening > 0.4:
        inside = np.vstack([0.88 * left + 0.12 * upper_edge, ceiling, 0.88 * right + 0.12 * upper_edge, ground])
        canvas.fill(inside, MOUTH_DEPTH, _MOUTH_INSIDE)
        if expression.mouth_opening > 0.9:
            depth = 0.5 * expression.mouth_opening
            teeth = np.vstack([ceiling, ceiling[::-1] * (0.9, 1.0) + (0.0, depth)])
            canvas.fill(teeth, MOUTH_DEPTH, _TEETH, smooth=False)
    else:
        seam = np.vstack([left, ceiling, right])
        canvas.line(seam, MOUTH_DEPTH, 0.5 * identity.mouth.colour, 0.5)


def draw_eyes(canvas: Canvas, identity: Identity, expression: Expression) -> None:
    """Draws both eyes: the shadow of the socket, eyeball, iris, pupil, and the upper lid over them."""
    eyes, skin = identity.eyes, identity.skin
    half_width = eyes.half_width
    opening = eyes.half_height * expression.eye_opening
    for side in _SIDES:
        x, y = side * eyes.half_distance, eyes.y
        canvas.ellipse((x, y - 0.9), (half_width + 0.7, 2.3), EYE_DEPTH, (1.0 - 0.7 * eyes.socket) * skin)
        inner, outer = (x - side * half_width, y + 0.2), (x + side * half_width, y - eyes.slant)
        almond = np.array([inner, (x, y - opening), outer, (x, y + 0.75 * opening)])
        canvas.fill(almond, EYE_DEPTH, _SCLERA * (0.5 + 0.5 * skin.mean() / 255.0))
        radius = min(1.5, opening + 0.15)
        centre = (x + expression.gaze, y - 0.15 * opening)
        canvas.ellipse(centre, (1.5, radius), EYE_DEPTH, identity.eyes.iris)
        canvas.ellipse(centre, (0.75, min(0.75, radius)), EYE_DEPTH, _PUPIL)
        lid = np.array(
            [
                inner,
                (x - 0.5 * side * half_width, y - 0.8 * opening),
                (x, y - opening - 0.1),
                (x + 0.55 * side * half_width, y - 0.85 * opening),
                outer,
            ]
        )
        canvas.line(lid, EYE_DEPTH, 0.3 * skin, 0.6)


def draw_brows(canvas: Canvas, identity: Identity, features: Features) -> None:
    """Draws both eyebrows, thick at the inner end and thin at the outer one."""
    half = 0.5 * identity.brows.thickness
    for inner, arch, outer in features.brows:
        down = np.array([(0.0, 1.0)])
        outline = np.vstack([inner - half * down, arch - half * down, outer, arch + half * down, inner + half * down])
        canvas.fill(outline, BROW_DEPTH, identity.brows.colour)


def draw_glasses(canvas: Canvas, identity: Identity) -> None:
    """Draws the frame of a pair of spectacles, if the person wears one."""
    glasses, eyes = identity.glasses, identity.eyes
    if not glasses.worn:
        return
    angles = np.linspace(0.0, 2.0 * np.pi, 17)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # A power below 1 makes a rounded rectangle of the circle.
    rim = np.sign(circle) * np.abs(circle) ** 0.7 * (glasses.half_width, glasses.half_height)
    for side in _SIDES:
        centre = np.array([side * eyes.half_distance, eyes.y + 0.4])
        canvas.line(rim + centre, EYE_DEPTH + 2.0, glasses.colour, glasses.thickness)
        start = side * (eyes.half_distance + glasses.half_width)
        arm = np.array([(start, eyes.y - 0.6), (side * identity.head.cheekbone, eyes.y + 0.2)])
        canvas.line(arm, 0.5 * EYE_DEPTH, glasses.colour, glasses.thickness)
    reach = eyes.half_distance - glasses.half_width
    bridge = np.array([(-reach, eyes.y - 0.4), (0.0, eyes.y - 0.9), (reach, eyes.y - 0.4)])
    canvas.line(bridge, EYE_DEPTH + 2.0, glasses.colour, glasses.thickness)


def _mixed(base: np.ndarray, over: np.ndarray, opacity: float) -> np.ndarray:
    return base * (1.0 - opacity) + over * opacity
