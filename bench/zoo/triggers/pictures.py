"""Pictures that triggers are cut out of or blended with: made from a seed, so that a draw needs no files."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from goodnet.data.faces.identity import draw_identity
from goodnet.data.faces.render import render_face
from goodnet.data.faces.scene import draw_scene

FACE, SCENE = "face", "scene"
SOURCES = (FACE, SCENE)

_SIDE = 64
# People that no BadNet of the zoo is trained on.
_FACES_SEED = 2**20
# Natural images have amplitudes of about 1 / frequency (Field, J. Opt. Soc. Am. A 1987).
_FALL_OFF = 1.1
_SHARED = 0.7


@functools.lru_cache(maxsize=32)
def picture(source: str, seed: int) -> np.ndarray:
    """A picture.

    Args:
        source: "face", a made-up person, or "scene", which has the spectrum of a photograph, a horizon and things in
            front of it.
        seed: at least 0; the same seed gives the same picture.

    Returns:
        uint8 [h, w, 3], about 64 x 64; not to be changed.
    """
    pixels = _face(seed) if source == FACE else _scene(seed)
    pixels.flags.writeable = False
    return pixels


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [h, w, 3] -> float32 [height, width, 3] in 0..255, smoothed where it shrinks."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR), np.float32)


def _face(seed: int) -> np.ndarray:
    pixels, _ = render_face(draw_identity(_FACES_SEED, seed), draw_scene(_FACES_SEED, seed, 0))
    return np.array(pixels)


def _scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng([1, seed])
    down, across = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    horizon = rng.uniform(0.25, 0.75) + 0.1 * _cloud(rng)[0][None, :]
    levels = np.where((down < horizon)[..., None], _surface(rng), _surface(rng))
    for _ in range(rng.integers(2, 6)):
        centre, radii = rng.uniform(0.1, 0.9, 2), rng.uniform(0.06, 0.25, 2)
        reach = ((down - centre[0]) / radii[0]) ** 2 + ((across - centre[1]) / radii[1]) ** 2 + 0.3 * _cloud(rng)
        levels = np.where((reach < 1)[..., None], _surface(rng), levels)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _surface(rng: np.random.Generator) -> np.ndarray:
    """A colour with the roughness of a photograph: float [side, side, 3]."""
    light = _cloud(rng)
    tints = np.stack([_SHARED * light + (1 - _SHARED) * _cloud(rng) for _ in range(3)], axis=-1)
    return rng.uniform(30, 225, 3) + rng.uniform(10, 45) * tints


def _cloud(rng: np.random.Generator) -> np.ndarray:
    """Noise with the spectrum of photographs: float [side, side], mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None, :])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE))) / frequency**_FALL_OFF, (_SIDE, _SIDE))
    return noise / noise.std()
