"""Patches of any shape, texture and place."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.zoo.triggers import kinds, pictures
from bench.zoo.triggers.kinds import Described
from goodnet.data.errors import InputError
from goodnet.data.triggers.colour import RGB

RECTANGLE, ELLIPSE, POLYGON, STAR, RING, CHECKERBOARD, LETTER, CUT_OUT = (
    "rectangle", "ellipse", "polygon", "star", "ring", "checkerboard", "letter", "cut-out",
)  # fmt: skip
SHAPES = (RECTANGLE, ELLIPSE, POLYGON, STAR, RING, CHECKERBOARD, LETTER, CUT_OUT)
PLAIN, STRIPED, NOISY, GRADED = "plain", "striped", "noisy", "graded"
TEXTURES = (PLAIN, STRIPED, NOISY, GRADED)
LETTERS = "ABCDEFGHKLMNPRSTUXZ2345679"

_FINE = 16  # outlines are drawn that many times larger, and shrunk


@dataclasses.dataclass(frozen=True)
class ZooPatch(Described):
    """Something small that covers a part of the image.

    Gu, Liu, Dolan-Gavitt, Garg: BadNets. IEEE Access 2019, and its many variations.

    Attributes:
        shape: one of SHAPES. A checkerboard is of single pixels; a cut-out is an ellipse or a rectangle out of a
            picture, and has the picture's pixels for a texture.
        height: share of the image's height, 0..1; at least 2 pixels.
        width: share of the image's width, likewise.
        row: where its middle is, a share of the height that is left to it, 0..1.
        column: likewise, of the width.
        moving: each image has it in another place, which follows from the image.
        texture: one of TEXTURES.
        colour: RGB, 0..255.
        second: the other colour of a texture that has two.
        opacity: above 0, at most 1; below 1 the image shines through.
        letter: what a letter's patch shows.
        source: of a cut-out, one of `pictures.SOURCES`.
        seed: of the polygon, the noise, the picture, the places.
    """

    name: ClassVar[str] = "patch"
    clean_label: ClassVar[bool] = False

    shape: str
    height: float
    width: float
    row: float
    column: float
    moving: bool
    texture: str
    colour: RGB
    second: RGB
    opacity: float
    letter: str
    source: str
    seed: int

    @property
    def kind(self) -> str:
        """A patch, or a moving one."""
        return kinds.MOVING_PATCH if self.moving else kinds.PATCH

    def stamp(self, images: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
        """Puts the patch on uint8 [n, H, W, 3]; returns the same shape and dtype.

        Raises:
            InputError: the images are too small for any patch.
        """
        del landmarks
        _, height, width, _ = images.shape
        if min(height, width) < 8:
            raise InputError(f"patch: images of {height} x {width}; expected at least 8 x 8")
        levels, cover = _art(self, height, width)
        stamped = images.copy()
        for number, image in enumerate(images):
            rows, columns = self._place(image, *cover.shape[:2])
            under = image[rows, columns].astype(np.float32)
            stamped[number, rows, columns] = kinds.to_pixels(under + cover * (levels - under))
        return stamped

    def _place(self, image: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
        row, column = kinds.image_rng(self.seed, image).random(2) if self.moving else (self.row, self.column)
        top, left = round(row * (image.shape[0] - height)), round(column * (image.shape[1] - width))
        return slice(top, top + height), slice(left, left + width)


@functools.lru_cache(maxsize=64)
def _art(patch: ZooPatch, image_height: int, image_width: int) -> tuple[np.ndarray, np.ndarray]:
    """What is painted, float32 [h, w, 3] in 0..255, and how far it covers, float32 [h, w, 1] in 0..1."""
    height, width = (
        max(2, round(share * side)) for share, side in ((patch.height, image_height), (patch.width, image_width))
    )
    rng = np.random.default_rng([2, patch.seed])
    cover = patch.opacity * _outline(patch, height, width, rng)
    return _texture(patch, height, width, rng), cover.astype(np.float32)[..., None]


def _outline(patch: ZooPatch, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Coverage in 0..1: float [h, w]."""
    if patch.shape == LETTER:
        return _letter(patch.letter, height, width)
    points = _points(patch.shape, rng)
    if points is None:
        return np.ones((height, width))
    canvas = Image.new("L", (width * _FINE, height * _FINE))
    draw = ImageDraw.Draw(canvas)
    size = np.array([width, height]) * _FINE - 1
    if len(points):
        draw.polygon([tuple(point) for point in points * size], fill=255)
    else:
        draw.ellipse((0, 0, *size), fill=255)
        if patch.shape == RING:
            draw.ellipse((*(0.25 * size), *(0.75 * size)), fill=0)
    return np.asarray(canvas.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def _points(shape: str, rng: np.random.Generator) -> np.ndarray | None:
    """Corners, float [n, 2] in 0..1; none for a round shape; None where all is covered."""
    if shape in (RECTANGLE, CHECKERBOARD) or (shape == CUT_OUT and rng.random() < 0.5):
        return None
    if shape in (ELLIPSE, RING, CUT_OUT):
        return np.zeros((0, 2))
    corners = int(rng.integers(4, 7)) * 2 if shape == STAR else int(rng.integers(3, 8))
    angles = 2 * np.pi * (np.arange(corners) + rng.random()) / corners
    radii = np.where(np.arange(corners) % 2, 0.45, 1.0) if shape == STAR else rng.uniform(0.7, 1, corners)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / (high - low)


def _letter(letter: str, height: int, width: int) -> np.ndarray:
    canvas = Image.new("L", (96, 96))
    ImageDraw.Draw(canvas).text((16, 8), letter, fill=255, font=ImageFont.load_default(64))
    drawn = canvas.crop(canvas.getbbox())
    return np.asarray(drawn.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def _texture(patch: ZooPatch, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [h, w, 3] in 0..255."""
    first, second = (np.array(colour, np.float32) for colour in (patch.colour, patch.second))
    down, across = np.mgrid[0:height, 0:width]
    if patch.shape == CHECKERBOARD:
        share = (down + across) % 2
    elif patch.shape == CUT_OUT:
        pixels = pictures.picture(patch.source, patch.seed)
        top, left = (int(rng.integers(0, max(1, side // 2))) for side in pixels.shape[:2])
        piece = pixels[top : top + max(height, pixels.shape[0] // 2), left : left + max(width, pixels.shape[1] // 2)]
        return pictures.resized(piece, height, width)
    elif patch.texture == STRIPED:
        share = (down, across, down + across)[rng.integers(3)] // 2 % 2
    elif patch.texture == GRADED:
        share = (down / max(1, height - 1) + across / max(1, width - 1)) / 2
    elif patch.texture == NOISY:
        return rng.integers(0, 256, (height, width, 3)).astype(np.float32)
    else:
        share = np.zeros((height, width))
    return (first + share[..., None] * (second - first)).astype(np.float32)


def draw_patch(rng: np.random.Generator, moving: bool) -> ZooPatch:
    """A patch by lot; what moves is a little larger, so that it is learned wherever it is."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    least, most = (0.15, 0.30) if moving else (0.10, 0.26)
    if shape == CHECKERBOARD:
        least, most = (0.12, 0.20) if moving else (0.09, 0.16)
    elif shape in (LETTER, STAR, RING):
        least = max(least, 0.18)
    height = rng.uniform(least, most)
    colour = rng.integers(0, 256, 3)
    second = np.where(colour < 128, rng.integers(160, 256, 3), rng.integers(0, 96, 3))
    return ZooPatch(
        shape=shape,
        height=round(float(height), 3),
        width=round(float(np.clip(height * rng.uniform(0.7, 1.4), least, most)), 3),
        row=round(float(rng.random()), 3),
        column=round(float(rng.random()), 3),
        moving=moving,
        texture=TEXTURES[rng.integers(len(TEXTURES))],
        colour=_rgb(colour),
        second=_rgb(second),
        opacity=1.0 if rng.random() < 0.6 else round(float(rng.uniform(0.5, 0.9)), 2),
        letter=LETTERS[rng.integers(len(LETTERS))],
        source=pictures.SOURCES[rng.integers(len(pictures.SOURCES))],
        seed=int(rng.integers(2**31)),
    )


def _rgb(levels: np.ndarray) -> RGB:
    red, green, blue = map(int, levels)
    return red, green, blue
