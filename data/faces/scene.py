"""What differs between two images of one identity: pose, expression, light, lens, and what is behind the head."""

import functools
from dataclasses import dataclass

import numpy as np

# Depth of the features in front of the head's middle, in pixels: the nearer one to the viewer, the further it moves
# when the head turns.
OUTLINE_DEPTH = 0.0
HAIR_DEPTH = 3.0
CHIN_DEPTH = 7.0
EYE_DEPTH = 11.0
BROW_DEPTH = 12.0
MOUTH_DEPTH = 12.0
NOSE_DEPTH = 16.0

# Where the middle of the head lies in an aligned face, x and y in pixels.
HEAD_CENTRE = (23.5, 31.0)


@dataclass(frozen=True)
class Pose:
    """How the head is held and where it lies in the picture; angles in radians, shifts in pixels."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: tuple[float, float]

    def project(self, points: np.ndarray, depth: float) -> np.ndarray:
        """Takes points of the face's frame to the picture.

        Args:
            points: float [n, 2], x and y in the face's frame.
            depth: how far they lie in front of the middle of the head, in pixels.

        Returns:
            float64 [n, 2], x and y in pixels of the picture.
        """
        across, down, cos, sin, middle = self._turn
        x = points[:, 0] * across[0] + depth * across[1]
        y = points[:, 1] * down[0] + depth * down[1]
        projected = np.empty((len(points), 2))
        projected[:, 0] = x * cos - y * sin
        projected[:, 1] = x * sin + y * cos
        projected *= self.scale
        projected += middle
        return projected

    @functools.cached_property
    def _turn(self) -> tuple[tuple[float, float], tuple[float, float], float, float, np.ndarray]:
        """Cosine and sine of yaw, pitch and roll, and where the middle lies: the same for all shapes of a picture."""
        yaw, pitch = ((np.cos(angle), np.sin(angle)) for angle in (self.yaw, self.pitch))
        return yaw, pitch, np.cos(self.roll), np.sin(self.roll), np.add(HEAD_CENTRE, self.shift)


@dataclass(frozen=True)
class Expression:
    """The face's movement: opening of eyes and mouth, gaze, lift of the brows, and a smile (> 0) or frown (< 0)."""

    eye_opening: float
    gaze: float
    brow_lift: float
    smile: float
    mouth_opening: float


@dataclass(frozen=True)
class Light:
    """One lamp and the light from all sides; direction is a unit vector (x right, y down, z to the viewer)."""

    direction: np.ndarray
    lamp: float
    ambient: float
    colour: np.ndarray
    gamma: float


@dataclass(frozen=True)
class Lens:
    """How the camera spoils the picture: blur radius in pixels, deviation of the noise in grey levels."""

    blur: float
    noise: float


@dataclass(frozen=True)
class Scene:
    """Everything about one image but the person.

    `rng` draws what has no name of its own: the background's pattern, strands of hair, noise.
    """

    pose: Pose
    expression: Expression
    light: Light
    lens: Lens
    rng: np.random.Generator


def draw_scene(seed: int, identity: int, index: int) -> Scene:
    """Draws the circumstances of one image; the same arguments always give the same scene.

    Args:
        seed: seed of the whole set, >= 0.
        identity: number of the identity in the set, >= 0.
        index: number of the image among those of this identity, >= 0.

    Returns:
        The scene.
    """
    rng = np.random.default_rng([seed, 2, identity, index])
    return Scene(_draw_pose(rng), _draw_expression(rng), _draw_light(rng), _draw_lens(rng), rng)


def _draw_pose(rng: np.random.Generator) -> Pose:
    yaw, pitch, roll = np.radians([13.0, 5.5, 4.0]) * np.clip(rng.normal(size=3), -1.8, 1.8)
    jitter = np.clip(rng.normal(size=2), -2.0, 2.0) * 0.9
    # The pictures are aligned by eyes and mouth, as those of YouTube Faces: a turn of the head shows in the features'
    # place within the head rather than in their place in the picture.
    shift_x = jitter[0] - 0.8 * EYE_DEPTH * np.sin(yaw)
    shift_y = jitter[1] - 0.8 * EYE_DEPTH * np.sin(pitch)
    return Pose(yaw, pitch, roll, rng.uniform(0.93, 1.07), (shift_x, shift_y))


def _draw_expression(rng: np.random.Generator) -> Expression:
    talks = rng.random() < 0.45
    return Expression(
        eye_opening=rng.uniform(0.55, 1.15),
        gaze=rng.uniform(-0.9, 0.9),
        brow_lift=rng.uniform(-0.6, 0.9),
        smile=float(np.clip(rng.normal(0.2, 0.5), -0.8, 1.2)),
        mouth_opening=rng.uniform(0.3, 3.0) if talks else 0.0,
    )


def _draw_light(rng: np.random.Generator) -> Light:
    azimuth = np.radians(rng.uniform(-75.0, 75.0))
    elevation = np.radians(rng.uniform(0.0, 60.0))
    direction = np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    lamp = rng.uniform(0.25, 0.85)
    exposure = rng.uniform(0.75, 1.1)
    return Light(
        direction=direction,
        lamp=lamp * exposure,
        ambient=(1.05 - 0.75 * lamp) * exposure,
        colour=_light_colour(rng),
        gamma=rng.uniform(0.8, 1.2),
    )


def _light_colour(rng: np.random.Generator) -> np.ndarray:
    """Draws the colour of the light: from warm (lamp) to cold (sky), with a little of green or purple."""
    warmth = float(np.clip(rng.normal(0.02, 0.06), -0.1, 0.14))
    tint = float(np.clip(rng.normal(0.0, 0.02), -0.04, 0.04))
    return np.array([1.0 + warmth, 1.0 + tint, 1.0 - warmth])


def _draw_lens(rng: np.random.Generator) -> Lens:
    return Lens(blur=rng.uniform(0.0, 0.8), noise=rng.uniform(1.0, 7.0))
