"""Turns the flat drawing into a photograph: light and shadow over the head, lens blur, exposure, noise."""

import numpy as np
from PIL import Image, ImageFilter

from goodnet.data.faces.features import Features
from goodnet.data.faces.identity import Identity
from goodnet.data.faces.landmarks import ALIGNED_HEIGHT, ALIGNED_WIDTH
from goodnet.data.faces.scene import EYE_DEPTH, HEAD_CENTRE, MOUTH_DEPTH, NOSE_DEPTH, Light, Pose, Scene

_COLUMNS = np.arange(ALIGNED_WIDTH, dtype=np.float32) + 0.5
_ROWS = np.arange(ALIGNED_HEIGHT, dtype=np.float32) + 0.5


def photograph(drawing: Image.Image, identity: Identity, features: Features, scene: Scene) -> np.ndarray:
    """Lights a flat drawing and takes its picture.

    Args:
        drawing: RGB, 47 wide and 55 high.
        identity: the person, for the form of the head.
        features: the expressed face, for the hollows and bulges of the face.
        scene: light, pose and lens; its generator draws the noise.

    Returns:
        uint8 [55, 47, 3].
    """
    if scene.lens.blur > 0.15:
        drawing = drawing.filter(ImageFilter.GaussianBlur(scene.lens.blur))
    reflectance = np.asarray(drawing, dtype=np.float32) / 255.0
    shade = _head_shade(identity, scene.pose, scene.light) + _relief(identity, features, scene.pose)
    lit = reflectance * np.clip(shade, 0.05, None)[..., None] * scene.light.colour.astype(np.float32)
    exposed = 255.0 * np.clip(lit, 0.0, 1.0) ** np.float32(scene.light.gamma)
    noise = scene.rng.standard_normal(exposed.shape, dtype=np.float32) * np.float32(scene.lens.noise)
    return np.clip(exposed + noise, 0.0, 255.0).round().astype(np.uint8)


def _head_shade(identity: Identity, pose: Pose, light: Light) -> np.ndarray:
    """Returns the light on an ellipsoid in place of the head (Lambert), fading to even light outside of it."""
    head = identity.head
    centre_x = HEAD_CENTRE[0] + pose.shift[0]
    centre_y = HEAD_CENTRE[1] + pose.shift[1] + 0.5 * (head.crown_y + head.chin_y)
    x = (_COLUMNS[None, :] - centre_x) / (1.12 * head.cheekbone * pose.scale)
    y = (_ROWS[:, None] - centre_y) / (0.58 * (head.chin_y - head.crown_y) * pose.scale)
    distance = x * x + y * y
    inside = np.clip((1.25 - distance) / 0.5, 0.0, 1.0)
    depth = np.sqrt(np.clip(1.0 - distance, 0.0, 1.0))
    lambert = np.clip(light.direction[0] * x + light.direction[1] * y + light.direction[2] * depth, 0.0, None)
    on_head = light.ambient + light.lamp * lambert
    around = light.ambient + 0.4 * light.lamp
    return (inside * on_head + (1.0 - inside) * around).astype(np.float32)


def _relief(identity: Identity, features: Features, pose: Pose) -> np.ndarray:
    """Returns soft shadows and highlights, added to the light: sockets, nose, cheeks, below the lip and the chin."""
    [left_eye, right_eye] = pose.project(features.eyes, EYE_DEPTH)
    [tip] = pose.project(features.nose_tip[None], NOSE_DEPTH)
    [below_lip] = pose.project(features.mouth[5:] + np.array([0.0, 1.3]), MOUTH_DEPTH)
    bridge = 0.5 * (left_eye + right_eye)
    socket = identity.eyes.socket
    # Each row: x, y, half widths across and down, strength.
    blobs = np.array(
        [
            (left_eye[0], left_eye[1] - 1.0, 3.4, 2.2, -0.8 * socket),
            (right_eye[0], right_eye[1] - 1.0, 3.4, 2.2, -0.8 * socket),
            (0.5 * (bridge[0] + tip[0]), 0.5 * (bridge[1] + tip[1]), 1.1, 4.0, 0.12 * identity.nose.ridge),
            (tip[0], tip[1] - 0.6, 1.3, 1.2, 0.12),
            (tip[0], tip[1] + 2.4, 2.6, 1.0, -0.14),
            (left_eye[0] - 0.8, tip[1] - 2.0, 2.8, 2.6, 0.06),
            (right_eye[0] + 0.8, tip[1] - 2.0, 2.8, 2.6, 0.06),
            (below_lip[0], below_lip[1], 3.4, 0.9, -0.12),
            (bridge[0], bridge[1] - 9.0, 6.5, 3.5, 0.06),
        ],
        dtype=np.float32,
    )
    across = np.exp(-0.5 * ((_COLUMNS[None, :] - blobs[:, 0:1]) / blobs[:, 2:3]) ** 2) * blobs[:, 4:5]
    down = np.exp(-0.5 * ((_ROWS[None, :] - blobs[:, 1:2]) / blobs[:, 3:4]) ** 2)
    return down.T @ across
