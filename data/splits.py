"""The clean data, split into the parts that see repair, calibration and report."""

from __future__ import annotations

import dataclasses

import numpy as np

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet

_PARTS = ("fit", "calibrate", "report")


@dataclasses.dataclass(frozen=True)
class CleanSplit:
    """Three disjoint parts of a clean set.

    Attributes:
        fit: what profile, pruning, unlearning and the representative set see; holds every class of the set.
        calibrate: what the detector's threshold is set on.
        report: what figures come from; nothing is decided on it.
    """

    fit: ImageSet
    calibrate: ImageSet
    report: ImageSet


def _shares(sizes: np.ndarray, fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many images of each class go to each part: int64 [classes, parts].

    Each class gives every part the whole number below its exact share. What is left over goes, image by image, to the
    part that is furthest behind over the classes so far (error diffusion), so that the totals come out right also where
    classes have two images. Small classes go first: what fit takes too much of them, larger classes make up for.
    """
    shares = np.floor(sizes[:, None] * fractions + 1e-9).astype(np.int64)
    shares[:, 0] = np.maximum(shares[:, 0], 1)
    owed = np.zeros(len(fractions))
    for position in sorted(rng.permutation(len(sizes)), key=lambda position: sizes[position]):
        owed += sizes[position] * fractions - shares[position]
        for _ in range(sizes[position] - shares[position].sum()):
            part = int(np.argmax(owed))
            shares[position, part] += 1
            owed[part] -= 1
    return shares


def split_clean(
    image_set: ImageSet, seed: int, fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)
) -> CleanSplit:
    """Splits a clean set by class.

    Args:
        image_set: the clean set.
        seed: the same seed gives the same split.
        fractions: shares of fit, calibrate and report; positive, sum 1.

    Returns:
        Disjoint parts that together are the set, in its order. Every class is in fit; a class gives each part its exact
        share to within one image where it is large enough, and the totals follow the fractions. Where most classes
        have a single image, fit gets more than its share.

    Raises:
        InputError: when a part would be empty.
        ValueError: when the fractions are not what they should be.
    """
    wanted = np.array(fractions, np.float64)
    if wanted.shape != (3,) or (wanted <= 0).any() or not np.isclose(wanted.sum(), 1):
        raise ValueError(f"fractions must be three positive shares that sum to 1, got {fractions}")
    rng = np.random.default_rng(seed)
    classes, starts, sizes = np.unique(np.sort(image_set.labels), return_index=True, return_counts=True)
    shares = _shares(sizes, wanted, rng)
    taken: list[list[np.ndarray]] = [[], [], []]
    by_class = np.split(np.argsort(image_set.labels, kind="stable"), starts[1:])
    for members, share in zip(by_class, shares, strict=True):
        pieces = np.split(rng.permutation(members), np.cumsum(share)[:-1])
        for chosen, piece in zip(taken, pieces, strict=True):
            chosen.append(piece)
    indices = [np.sort(np.concatenate(chosen)) for chosen in taken]
    for name, part in zip(_PARTS, indices, strict=True):
        if not len(part):
            raise InputError(
                f"{image_set.name}: {len(image_set)} images of {len(classes)} classes are too few to split into "
                f"{', '.join(_PARTS)} ({name} would be empty); expected several images for each class"
            )
    fit, calibrate, report = (
        image_set.subset(part, f"{image_set.name} [{name}]") for name, part in zip(_PARTS, indices, strict=True)
    )
    return CleanSplit(fit, calibrate, report)
