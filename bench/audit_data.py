"""Small sets of images for the models that audits are counted on: what is trained on, audited with and measured on."""

import functools
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bench.audit_cases import FACES, GTSRB, SHAPES, Case
from bench.datasets import draw_evenly
from bench.shapes import draw_shapes
from data.errors import InputError
from data.faces.face_sets import face_sets
from data.image_set import ImageSet, from_arrays
from data.opening import open_image_set

_TRAINING = {GTSRB: 1800, SHAPES: 1000}
_AUDITED_WITH = 160
_TEST = 400
_FACES_PER_IDENTITY = 84
_FACE_SIDE = 32


@dataclass(frozen=True)
class Sets:
    """Three sets with labels 0 .. N-1 and no image in common."""

    train: ImageSet
    clean: ImageSet
    test: ImageSet


def draw_sets(case: Case, gtsrb_dir: str | None) -> Sets:
    """The sets of a case.

    Args:
        case: which data, how many classes, which seed.
        gtsrb_dir: the folder with GTSRB, for cases of it.

    Raises:
        InputError: GTSRB is not there.
    """
    if case.dataset == GTSRB:
        return _signs(case, gtsrb_dir)
    if case.dataset == FACES:
        faces = face_sets(case.classes, _FACES_PER_IDENTITY, 1000 + case.seed)
        return Sets(*(_small(part) for part in (faces.train, faces.validation, faces.test)))
    counts = (_TRAINING[SHAPES], _AUDITED_WITH, _TEST)
    return Sets(
        *(
            draw_shapes(case.classes, -(-count // case.classes), 1000 + case.seed, part)
            for part, count in enumerate(counts)
        )
    )


@functools.cache
def _gtsrb(folder: str) -> tuple[ImageSet, ...]:
    names = ("train.h5", "clean_validation.h5", "clean_test.h5")
    return tuple(open_image_set(os.path.join(folder, name)).in_memory() for name in names)


def _small(faces: ImageSet) -> ImageSet:
    side = (_FACE_SIDE, _FACE_SIDE)
    images = [np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BOX)) for image in faces.images()]
    return from_arrays(faces.name, np.stack(images), faces.labels)


def _signs(case: Case, gtsrb_dir: str | None) -> Sets:
    if gtsrb_dir is None:
        raise InputError(f"{case.name}: it needs GTSRB; expected --gtsrb_dir")
    parts = _gtsrb(gtsrb_dir)
    counts = np.bincount(parts[0].labels)
    common = np.argsort(-counts, kind="stable")[: 2 * case.classes]
    chosen = np.random.default_rng([4, case.seed]).permutation(common)[: case.classes]
    return Sets(
        *(
            _subset(part, chosen, count, case.seed)
            for part, count in zip(parts, (_TRAINING[GTSRB], _AUDITED_WITH, _TEST), strict=True)
        )
    )


def _subset(images: ImageSet, chosen: np.ndarray, count: int, seed: int) -> ImageSet:
    """At most `count` images of the chosen classes, which become 0 .. N-1."""
    of_them = images.subset(np.flatnonzero(np.isin(images.labels, chosen)))
    drawn = of_them.subset(draw_evenly(of_them, min(count, len(of_them)), seed))
    new = np.full(int(images.labels.max()) + 1, -1, np.int64)
    new[chosen] = np.arange(len(chosen))
    return from_arrays(images.name, drawn.images(), new[drawn.labels])
