"""Exports a detector or a plain classifier; chooses the images that set the file's ranges and those it is compared on.

Nothing but clean images decides on the precision. What they are stamped with is drawn at random, or was inverted.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.export.parity import Parity, check_classifier_parity, check_parity
from goodnet.export.provoking import provoked
from goodnet.models.input_scale import InputScale
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.exporting.faithful_export import Candidate, Export, export_faithfully
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.measuring.parity_images import clean_batches, stamped_batches

# More images do not move the ranges that int8 scales are set by; two hundred already cost seconds.
_REPRESENTATIVE_IMAGES = 200
# So many tell a share of 99 % from one of 97 %.
_COMPARED_IMAGES = 600
# Each of these costs twenty passes and more.
_PROVOKED_IMAGES = 32


def export_detector(
    detector: keras.Model,
    clean: ImageSet,
    seed: int,
    precision: str,
    min_parity: float,
    falls_back: bool,
    triggers: Sequence[InvertedTrigger] = (),
) -> Export:
    """Converts a detector and compares the file with it.

    Args:
        detector: a model of `build_detector`.
        clean: clean images.
        seed: of the representative images, and of what is stamped.
        precision: the one to try first.
        min_parity: the least share of images on which the device answers as Keras, 0..1.
        falls_back: whether another precision will do.
        triggers: those that a repair inverted; they are stamped, too.
    """
    few = compared_indices(clean, seed, _PROVOKED_IMAGES)
    extra = provoked(detector, clean.images(few))
    candidate = _candidate(convert_detector, check_parity, (detector,), clean, seed, triggers, extra)
    return export_faithfully(candidate, precision, min_parity, falls_back)


def export_classifier(
    model: keras.Model,
    input_scale: InputScale,
    clean: ImageSet,
    seed: int,
    precision: str,
    min_parity: float,
    falls_back: bool,
) -> Export:
    """As `export_detector`, of a plain classifier that takes images on `input_scale`."""
    candidate = _candidate(convert_classifier, check_classifier_parity, (model, input_scale), clean, seed)
    return export_faithfully(candidate, precision, min_parity, falls_back)


def _candidate(
    convert: Callable[..., bytes],
    compare: Callable[..., Parity],
    given: tuple[Any, ...],
    clean: ImageSet,
    seed: int,
    triggers: Sequence[InvertedTrigger] = (),
    *extra: np.ndarray,
) -> Candidate:
    places = compared_indices(clean, seed, _COMPARED_IMAGES)
    return Candidate(
        lambda precision: convert(*given, representative_images(clean, seed), precision),
        lambda path, batches: compare(*given, path, batches),
        lambda: clean_batches(clean, places),
        lambda: itertools.chain(stamped_batches(clean, places, seed, triggers), extra),
    )


def representative_images(clean: ImageSet, seed: int) -> Iterator[np.ndarray]:
    """A seeded sample of clean images, uint8 [H, W, C] each."""
    for images, _ in clean.batches(32, representative_indices(clean, seed)):
        yield from images


def representative_indices(clean: ImageSet, seed: int) -> np.ndarray:
    """Which images `representative_images` takes: int64, ascending."""
    count = min(len(clean), _REPRESENTATIVE_IMAGES)
    return np.sort(np.random.default_rng(seed).choice(len(clean), count, replace=False))


def compared_indices(clean: ImageSet, seed: int, most: int) -> np.ndarray:
    """Which images the file is compared on: int64 [at most `most`], those first that the conversion does not see."""
    seen = representative_indices(clean, seed)
    unseen = np.setdiff1d(np.arange(len(clean)), seen)
    return np.sort(np.concatenate([np.random.default_rng([seed, 5]).permutation(unseen), seen])[:most])
