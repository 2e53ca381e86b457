"""The points of a face that triggers are drawn by, their order, and where they lie in an aligned face."""

import numpy as np

# Rows of a landmark array. Left and right are as seen in the picture. The chin may lie a little below the picture.
LEFT_EYE = 0
RIGHT_EYE = 1
LEFT_BROW_INNER = 2
LEFT_BROW_OUTER = 3
RIGHT_BROW_INNER = 4
RIGHT_BROW_OUTER = 5
NOSE_TIP = 6
MOUTH_LEFT = 7
MOUTH_RIGHT = 8
MOUTH_TOP = 9
MOUTH_BOTTOM = 10
CHIN = 11
COUNT = 12

# The aligned faces of CSAW-HackML-2020 (YouTube Faces) are 55 pixels high and 47 wide.
ALIGNED_HEIGHT = 55
ALIGNED_WIDTH = 47

# Read off enlarged CSAW faces: eyes on the row 23 to 24, mouth on the row 42 to 43, chin just above the lower edge.
_ALIGNED_FACE = {
    LEFT_EYE: (16.8, 23.7),
    RIGHT_EYE: (30.2, 23.7),
    LEFT_BROW_INNER: (20.6, 20.0),
    LEFT_BROW_OUTER: (12.6, 20.2),
    RIGHT_BROW_INNER: (26.4, 20.0),
    RIGHT_BROW_OUTER: (34.4, 20.2),
    NOSE_TIP: (23.5, 35.2),
    MOUTH_LEFT: (17.6, 42.6),
    MOUTH_RIGHT: (29.4, 42.6),
    MOUTH_TOP: (23.5, 40.7),
    MOUTH_BOTTOM: (23.5, 45.0),
    CHIN: (23.5, 52.5),
}


def mean_landmarks(height: int, width: int) -> np.ndarray:
    """Returns the landmarks of the mean aligned face, for pictures that carry none of their own.

    Args:
        height: height of the picture in pixels.
        width: width of the picture in pixels.

    Returns:
        float32 [COUNT, 2], x and y in pixels. Pixel (row i, column j) covers x in [j, j + 1) and y in [i, i + 1), so
        that `int` of a coordinate is the pixel's index.
    """
    points = np.array([_ALIGNED_FACE[point] for point in range(COUNT)], dtype=np.float32)
    return points * np.array([width / ALIGNED_WIDTH, height / ALIGNED_HEIGHT], dtype=np.float32)
