"""The embedded faces: training, validation and test images of made-up people, drawn anew from a seed.

They stand in for YouTube Faces as CSAW-HackML-2020 aligns them (55 x 47 RGB), so that the whole job runs on a machine
that has no face data. Nothing is downloaded, no real person is shown.
"""

from dataclasses import dataclass

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.faces import landmarks
from goodnet.data.faces.identity import draw_identity
from goodnet.data.faces.render import render_face
from goodnet.data.faces.scene import draw_scene
from goodnet.data.image_set import ImageSet, from_arrays

# 2,784 images to train on, 528 for the defender, 528 for the test: DeepID learns them in 40 s on two cores.
DEFAULT_IDENTITIES = 48
DEFAULT_IMAGES_PER_IDENTITY = 80

_LEAST_IMAGES = 4


@dataclass(frozen=True)
class FaceSets:
    """Three sets of the same people, with no image in common.

    Attributes:
        train: what the attacker trains on.
        validation: what the defender owns.
        test: what figures are measured on.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet


@dataclass(frozen=True)
class ImageShares:
    """How many images of each identity go to each set."""

    train: int
    validation: int
    test: int


def image_shares(images_per_identity: int) -> ImageShares:
    """Divides the images of one identity: a seventh each to validation and test, the rest to training.

    Validation gets at least 2, so that the defender can split it again: 9 images are divided into 6, 2 and 1.

    Args:
        images_per_identity: at least 4.

    Returns:
        The three counts; none is 0.

    Raises:
        InputError: too few images.
    """
    if images_per_identity < _LEAST_IMAGES:
        raise InputError(
            f"--images_per_identity={images_per_identity}: too few to divide into training, validation and test; "
            f"expected at least {_LEAST_IMAGES}"
        )
    seventh = round(images_per_identity / 7)
    validation, test = max(2, seventh), max(1, seventh)
    return ImageShares(images_per_identity - validation - test, validation, test)


def face_sets(
    identities: int = DEFAULT_IDENTITIES, images_per_identity: int = DEFAULT_IMAGES_PER_IDENTITY, seed: int = 0
) -> FaceSets:
    """Draws the faces; the same arguments always give the same images.

    An identity looks the same, and so do its images, however many others are drawn with it. It takes about 2.5 ms an
    image and holds all images in memory (7.8 kB each).

    How well a classifier does hangs on the images of each identity rather than on the number of identities. DeepID gets
    95 to 98 % of the test images of 48 x 80 faces and 95 % of 200 x 80, but 74 % of 200 x 20 and 38 % of 1,283 x 9,
    which leaves 6 images of each to train on.

    Args:
        identities: number of classes, at least 2.
        images_per_identity: images of each, over all three sets, at least 4 (see `image_shares`).
        seed: at least 0. Another seed gives other people.

    Returns:
        Sets of uint8 [N, 55, 47, 3] images with labels 0 to `identities` - 1, class names, and landmarks float32
        [N, COUNT, 2] (order in `landmarks.py`). Each set runs through all identities before it repeats one.

    Raises:
        InputError: an argument is out of its range.
    """
    if identities < 2:
        raise InputError(f"--identities={identities}: too few for a classifier; expected at least 2")
    if seed < 0:
        raise InputError(f"--seed={seed}: negative; expected at least 0")
    shares = image_shares(images_per_identity)
    images, points = _draw_faces(identities, images_per_identity, seed)
    first_test = shares.train + shares.validation
    return FaceSets(
        train=_face_set("train", images[: shares.train], points[: shares.train]),
        validation=_face_set("validation", images[shares.train : first_test], points[shares.train : first_test]),
        test=_face_set("test", images[first_test:], points[first_test:]),
    )


def _draw_faces(identities: int, images_per_identity: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns images uint8 [images, identities, 55, 47, 3] and landmarks float32 [images, identities, COUNT, 2]."""
    height, width = landmarks.ALIGNED_HEIGHT, landmarks.ALIGNED_WIDTH
    images = np.empty((images_per_identity, identities, height, width, 3), dtype=np.uint8)
    points = np.empty((images_per_identity, identities, landmarks.COUNT, 2), dtype=np.float32)
    for label in range(identities):
        identity = draw_identity(seed, label)
        for index in range(images_per_identity):
            images[index, label], points[index, label] = render_face(identity, draw_scene(seed, label, index))
    return images, points


def _face_set(part: str, images: np.ndarray, points: np.ndarray) -> ImageSet:
    count, identities = images.shape[:2]
    return from_arrays(
        f"embedded faces, {part}",
        images.reshape(-1, *images.shape[2:]),
        np.tile(np.arange(identities, dtype=np.int64), count),
        landmarks=points.reshape(-1, *points.shape[2:]),
        class_names=tuple(f"identity {label}" for label in range(identities)),
    )
