"""Small images made large enough to be looked at, as PNG files that a page can carry inside."""

import base64
import io

import numpy as np
from PIL import Image

from goodnet.pipeline.inversion.trigger import InvertedTrigger

_GREY = 128


def thumbnail(image: np.ndarray, side: int = 144) -> bytes:
    """One picture, its longer side brought near `side`.

    A small image is enlarged by a whole factor, its pixels kept as squares, so that a trigger of a few pixels shows as
    what it is; a larger one is reduced smoothly.

    Args:
        image: uint8 [H, W, 1] or [H, W, 3].
        side: pixels, at least 1.

    Returns:
        A PNG file.

    Raises:
        ValueError: the image has another type or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"an image {image.dtype} {image.shape}; expected uint8 [H, W, 1] or [H, W, 3]")
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    longest = max(picture.size)
    if longest <= side:
        factor = side // longest
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    else:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def stamped(trigger: InvertedTrigger, image: np.ndarray | None = None) -> np.ndarray:
    """What an inverted trigger looks like.

    Args:
        trigger: the trigger.
        image: uint8 [H, W, C] to show it on; None for plain grey.

    Returns:
        uint8 [H, W, C].
    """
    image = np.full(trigger.change.shape, _GREY, np.uint8) if image is None else image
    return np.rint(trigger.stamp(image[np.newaxis])[0]).astype(np.uint8)


def data_uri(png: bytes) -> str:
    """A PNG file as an address that needs no network."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
