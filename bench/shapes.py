"""Drawn signs: classes told apart by outline, colour and the mark inside, on backgrounds that say nothing."""

import numpy as np
from PIL import Image, ImageDraw

from data.image_set import ImageSet, from_arrays

_SIDE = 32
_ENLARGED = 3
_CORNERS = (3, 4, 5, 6, 12)
_COLOURS = ((200, 40, 40), (40, 70, 200), (40, 150, 60), (220, 190, 50), (150, 60, 170), (230, 230, 230))
_MARKS = ("none", "bar", "cross", "dot")


def draw_shapes(classes: int, images_per_class: int, seed: int, part: int) -> ImageSet:
    """Draws a set of 32 x 32 images.

    Args:
        classes: at most 120; which outlines, colours and marks they have follows from the seed.
        images_per_class: images of each.
        seed: of the classes.
        part: sets of the same seed and another part show the same classes on other images.
    """
    kinds = [(corners, colour, mark) for corners in _CORNERS for colour in _COLOURS for mark in _MARKS]
    chosen = np.random.default_rng(seed).permutation(len(kinds))[:classes]
    rng = np.random.default_rng([seed, part])
    labels = np.tile(np.arange(classes), images_per_class)
    images = np.stack([_draw(kinds[chosen[label]], rng) for label in labels])
    return from_arrays(f"shapes {seed}/{part}", images, labels)


def _draw(kind: tuple[int, tuple[int, int, int], str], rng: np.random.Generator) -> np.ndarray:
    corners, colour, mark = kind
    coarse = rng.integers(30, 226, (3, 3, 3)).astype(np.uint8)
    side = _SIDE * _ENLARGED
    picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    centre = side / 2 + rng.normal(0, 0.04, 2) * side
    radius = side * rng.uniform(0.3, 0.42)
    angles = 2 * np.pi * np.arange(corners) / corners + rng.normal(0, 0.12) - np.pi / 2
    outline = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    red, green, blue = (np.array(colour) * rng.uniform(0.7, 1.1)).clip(0, 255).astype(int).tolist()
    pen.polygon([tuple(point) for point in outline], fill=(red, green, blue), outline=(20, 20, 20))
    x, y, reach = *centre, radius * 0.45
    if mark in ("bar", "cross"):
        pen.line([(x - reach, y), (x + reach, y)], fill=(15, 15, 15), width=side // 14)
    if mark == "cross":
        pen.line([(x, y - reach), (x, y + reach)], fill=(15, 15, 15), width=side // 14)
    if mark == "dot":
        pen.ellipse([x - reach / 2, y - reach / 2, x + reach / 2, y + reach / 2], fill=(15, 15, 15))
    small = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    return (small + rng.normal(0, 6, small.shape)).clip(0, 255).astype(np.uint8)
