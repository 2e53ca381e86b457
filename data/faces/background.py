"""What is behind the head: soft patches of colour, at times with hard-edged bars and boxes before them."""

import numpy as np
from PIL import Image, ImageDraw


def draw_background(rng: np.random.Generator) -> Image.Image:
    """Draws a background; it says nothing about who stands before it.

    Args:
        rng: the image's generator.

    Returns:
        A small RGB picture, to be enlarged to the canvas.
    """
    base = rng.uniform(20.0, 220.0) + rng.normal(0.0, 12.0, 3)
    rows, columns = rng.integers(2, 7, 2)
    patches = (
        base + rng.normal(0.0, rng.uniform(4.0, 45.0), (rows, columns, 1)) + rng.normal(0.0, 6.0, (rows, columns, 3))
    )
    small = Image.fromarray(np.clip(patches, 0, 255).astype(np.uint8)).resize((47, 55), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(small)
    for _ in range(rng.integers(0, 4)):
        left, top = rng.uniform(-10.0, 45.0), rng.uniform(-15.0, 50.0)
        width, height = rng.uniform(3.0, 22.0), rng.uniform(6.0, 60.0)
        red, green, blue = np.clip(base + rng.normal(0.0, 45.0) + rng.normal(0.0, 15.0, 3), 0, 255).astype(int).tolist()
        draw.rectangle([left, top, left + width, top + height], fill=(red, green, blue))
    return small
