"""Where a face's moving features lie under an expression: the brows and the lips, and the landmarks of all of them."""

from dataclasses import dataclass

import numpy as np

from goodnet.data.faces import landmarks
from goodnet.data.faces.identity import Identity
from goodnet.data.faces.scene import BROW_DEPTH, CHIN_DEPTH, EYE_DEPTH, MOUTH_DEPTH, NOSE_DEPTH, Expression, Pose


@dataclass(frozen=True)
class Features:
    """Points of the expressed face, float64, in the face's frame.

    Attributes:
        eyes: [2, 2], centre of the left and of the right eye.
        brows: [2, 3, 2], left and right; inner end, arch, outer end of the brow's middle line.
        nose_tip: [2].
        mouth: [6, 2]: left corner, right corner, top of the upper lip, its lower edge, upper edge of the lower lip, its
            bottom; the last four in the middle of the mouth.
        chin: [2].
    """

    eyes: np.ndarray
    brows: np.ndarray
    nose_tip: np.ndarray
    mouth: np.ndarray
    chin: np.ndarray

    def landmarks(self, pose: Pose) -> np.ndarray:
        """Returns the landmarks in the picture: float32 [COUNT, 2], x and y in pixels."""
        points = np.empty((landmarks.COUNT, 2), dtype=np.float32)
        points[[landmarks.LEFT_EYE, landmarks.RIGHT_EYE]] = pose.project(self.eyes, EYE_DEPTH)
        left_brow, right_brow = self.brows
        points[[landmarks.LEFT_BROW_INNER, landmarks.LEFT_BROW_OUTER]] = pose.project(left_brow[[0, 2]], BROW_DEPTH)
        points[[landmarks.RIGHT_BROW_INNER, landmarks.RIGHT_BROW_OUTER]] = pose.project(right_brow[[0, 2]], BROW_DEPTH)
        points[[landmarks.NOSE_TIP]] = pose.project(self.nose_tip[None], NOSE_DEPTH)
        mouth = [landmarks.MOUTH_LEFT, landmarks.MOUTH_RIGHT, landmarks.MOUTH_TOP, landmarks.MOUTH_BOTTOM]
        points[mouth] = pose.project(self.mouth[[0, 1, 2, 5]], MOUTH_DEPTH)
        points[[landmarks.CHIN]] = pose.project(self.chin[None], CHIN_DEPTH)
        return points


def express(identity: Identity, expression: Expression) -> Features:
    """Places the features of a person under an expression.

    Args:
        identity: the person.
        expression: the movement.

    Returns:
        The features, in the face's frame.
    """
    eyes, nose = identity.eyes, identity.nose
    right_brow = _right_brow(identity, expression)
    return Features(
        eyes=np.array([(-eyes.half_distance, eyes.y), (eyes.half_distance, eyes.y)]),
        brows=np.stack([right_brow * (-1.0, 1.0), right_brow]),
        nose_tip=np.array([0.0, nose.tip_y]),
        mouth=_mouth(identity, expression),
        chin=np.array([0.0, identity.head.chin_y + 0.35 * expression.mouth_opening]),
    )


def _right_brow(identity: Identity, expression: Expression) -> np.ndarray:
    brows = identity.brows
    y = identity.eyes.y - brows.above_eye - expression.brow_lift
    middle = 0.55 * brows.outer + 0.45 * brows.inner
    return np.array(
        [
            (brows.inner, y + 0.5 * brows.slant),
            (middle, y - brows.arch),
            (brows.outer, y + 0.5 - 0.5 * brows.slant),
        ]
    )


def _mouth(identity: Identity, expression: Expression) -> np.ndarray:
    mouth = identity.mouth
    half_width = mouth.half_width * (1.0 + 0.12 * expression.smile - 0.04 * expression.mouth_opening)
    corner_y = mouth.y - 0.3 - mouth.bend - 0.9 * expression.smile
    upper_edge = mouth.y - 0.3 * expression.mouth_opening
    lower_edge = mouth.y + 0.7 * expression.mouth_opening
    return np.array(
        [
            (-half_width, corner_y),
            (half_width, corner_y),
            (0.0, upper_edge - mouth.upper_lip),
            (0.0, upper_edge),
            (0.0, lower_edge),
            (0.0, lower_edge + mouth.lower_lip),
        ]
    )
