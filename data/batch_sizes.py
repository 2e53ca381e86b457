"""How many images a network is shown at once."""

import math
from collections.abc import Sequence

# 256 images of 64 x 64: what a network's first layers make of one batch is then no larger for large images.
_MOST_PIXELS = 2**20
_TRAINING_BATCH = 64


def images_at_once(image_shape: Sequence[int], most: int = 256) -> int:
    """Images in a batch where a network only answers.

    Args:
        image_shape: height, width, channels.
        most: of small images.

    Returns:
        1 to `most`.
    """
    return max(1, min(most, _MOST_PIXELS // math.prod(image_shape[:2])))


def training_batch(image_shape: Sequence[int]) -> int:
    """Images in a training batch, if nobody says how many: 64, and fewer that are larger than 128 x 128 pixels.

    Args:
        image_shape: height, width, channels.
    """
    return images_at_once(image_shape, _TRAINING_BATCH)
