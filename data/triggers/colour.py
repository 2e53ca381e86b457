"""Colours of triggers, on RGB and on grey images."""

import numpy as np

RGB = tuple[int, int, int]

# ITU-R BT.601 luma, what Pillow uses to turn RGB into grey.
_LUMA = np.array([0.299, 0.587, 0.114])


def check_colour(colour: RGB) -> None:
    """Refuses what is not three levels of 0..255.

    Raises:
        ValueError: says what is wrong.
    """
    if len(colour) != 3 or not all(isinstance(level, int) and 0 <= level <= 255 for level in colour):
        raise ValueError(f"colour is {colour}; expected three levels from 0 to 255")


def in_channels(colour: np.ndarray, channels: int) -> np.ndarray:
    """Brings RGB to the number of channels of an image.

    Args:
        colour: [..., 3], 0..255.
        channels: 3, or 1 for grey.

    Returns:
        float32 [..., channels].
    """
    rgb = np.asarray(colour, np.float32)
    return rgb if channels == 3 else (rgb @ _LUMA.astype(np.float32))[..., None]
