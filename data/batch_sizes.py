"""How many images a network is shown at once where it only answers."""

import math
from collections.abc import Sequence

# 256 images of 64 x 64: what a network's first layers make of one batch is then no larger for large images.
_MOST_PIXELS = 2**20


def images_at_once(image_shape: Sequence[int], most: int = 256) -> int:
    """Images in a batch.

    Args:
        image_shape: height, width, channels.
        most: of small images.

    Returns:
        1 to `most`.
    """
    return max(1, min(most, _MOST_PIXELS // math.prod(image_shape[:2])))
