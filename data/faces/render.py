"""Draws one face: the person's parts back to front, four times too large, then scaled down, lit and photographed."""

import numpy as np

from goodnet.data.faces.background import draw_background
from goodnet.data.faces.canvas import Canvas
from goodnet.data.faces.face_parts import draw_beard, draw_brows, draw_eyes, draw_glasses, draw_mouth, draw_nose
from goodnet.data.faces.features import express
from goodnet.data.faces.hair import draw_hair_behind, draw_hair_in_front
from goodnet.data.faces.head import draw_body, draw_ears, draw_skin
from goodnet.data.faces.identity import Identity
from goodnet.data.faces.photography import photograph
from goodnet.data.faces.scene import Scene


def render_face(identity: Identity, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Draws one image of one identity.

    Args:
        identity: the person.
        scene: the circumstances; its random generator is used up, so a scene is drawn once.

    Returns:
        The image, uint8 [55, 47, 3], RGB, and its landmarks, float32 [COUNT, 2] (see `landmarks.py`).
    """
    features = express(identity, scene.expression)
    canvas = Canvas(draw_background(scene.rng), scene.pose)
    draw_hair_behind(canvas, identity)
    draw_body(canvas, identity)
    draw_ears(canvas, identity)
    draw_skin(canvas, identity, scene.expression)
    draw_nose(canvas, identity, scene.light)
    draw_beard(canvas, identity, scene.expression)
    draw_mouth(canvas, identity, features, scene.expression)
    draw_eyes(canvas, identity, scene.expression)
    draw_brows(canvas, identity, features)
    draw_hair_in_front(canvas, identity, scene.rng)
    draw_glasses(canvas, identity)
    return photograph(canvas.shrunk(), identity, features, scene), features.landmarks(scene.pose)
