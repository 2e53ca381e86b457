"""Fitting the novelty of images (`models.novelty`) to clean ones."""

from dataclasses import dataclass

import numpy as np

from goodnet.data.image_set import ImageSet
from goodnet.models.novelty import FilterBank, Novelty, filter_size, statistics

# As many images of each part as a covariance of some hundred statistics needs, and patches as its filters need.
_MOST_IMAGES = 5000
_PATCHES, _PATCHED_IMAGES = 20_000, 500
_FOLDS = 5
_BATCH = 256
# Of one grey level: a filter that clean images never excite is not made to shout.
_LEAST_DEVIATION = 0.25
# Of a statistic. Grey images stored as RGB excite no filter of colour, and the rounding of float32 must not count as
# their deviation: it differs from one runtime to another.
_LEAST_SPREAD = 0.01


@dataclass(frozen=True, eq=False)
class FittedNovelty:
    """The fitted novelty, and its values for clean images that it was not fitted to (cross-fitting in folds).

    Attributes:
        novelty: of weight 1, fitted to all.
        fit: float32 [n], of a drawn part of the fit images.
        calibrate: float32 [m], of all calibrate images, in their order.
    """

    novelty: Novelty
    fit: np.ndarray
    calibrate: np.ndarray


def fit_novelty(fit: ImageSet, calibrate: ImageSet, seed: int) -> FittedNovelty:
    """Fits filters and the distribution of their statistics.

    The colour components are the principal components of pixels, and their filters those of small patches of a
    component. Of the sum of each two components fine detail is filtered out too: a tint changes how they go together.
    The covariance is shrunk as Ledoit and Wolf ("A well-conditioned estimator for large-dimensional covariance
    matrices", 2004).

    Args:
        fit: clean images, at least one.
        calibrate: more of them, at least one.
        seed: of what is drawn.
    """
    rng = np.random.default_rng([seed, 11])
    drawn = np.sort(rng.permutation(len(fit))[:_MOST_IMAGES])
    bank = _filters(fit.images(rng.choice(drawn, min(len(drawn), _PATCHED_IMAGES), replace=False)), rng)
    # Of a large set the others are only measured, some at a time: they are none of those that it is fitted to anyhow.
    order = np.arange(len(calibrate))
    if len(calibrate) > _MOST_IMAGES:
        order = np.random.default_rng([seed, 12]).permutation(len(calibrate))
    seen, others = np.sort(order[:_MOST_IMAGES]), order[_MOST_IMAGES:]
    found = np.concatenate([_found(fit, drawn, bank), _found(calibrate, seen, bank)])
    fold = rng.permutation(len(found)) % min(_FOLDS, len(found))
    crossed = np.empty(len(found), np.float32)
    for one in np.unique(fold):
        crossed[fold == one] = _distances(_fit(bank, found[fold != one]), found[fold == one])
    novelty = _fit(bank, found)
    calibrated = np.empty(len(calibrate), np.float32)
    calibrated[seen] = crossed[len(drawn) :]
    for start in range(0, len(others), _MOST_IMAGES):
        some = others[start : start + _MOST_IMAGES]
        calibrated[some] = _distances(novelty, _found(calibrate, some, bank))
    return FittedNovelty(novelty, crossed[: len(drawn)], calibrated)


def _found(images: ImageSet, places: np.ndarray, bank: FilterBank) -> np.ndarray:
    """The statistics of some images: float64 [n, D]."""
    return statistics((batch for batch, _ in images.batches(_BATCH, places)), bank).astype(np.float64)


def _filters(images: np.ndarray, rng: np.random.Generator) -> FilterBank:
    """Principal components of pixels and of patches of each, then sums of two and their detail."""
    _, height, width, channels = images.shape
    size = filter_size((height, width, channels))
    rows, tops, lefts = (rng.integers(0, most, _PATCHES) for most in (len(images), height - size + 1, width - size + 1))
    span = np.arange(size)
    patches = images[rows[:, None, None], (tops[:, None] + span)[:, :, None], (lefts[:, None] + span)[:, None]]
    variances, colours = _principal_components(patches.reshape(-1, channels))
    bases = [_principal_filters(patches @ colour) for colour in colours.T]
    equal = colours / _deviations(variances)
    sums = [equal[:, one] + equal[:, other] for one in range(channels) for other in range(one)]
    details = [_detail_filters(patches @ one) for one in sums]
    return FilterBank(_half(np.stack([*colours.T, *sums], axis=1)), tuple(map(_half, (*bases, *details))))


def _principal_filters(patches: np.ndarray) -> np.ndarray:
    """The principal components of [n, k, k], scaled to answer with variance 1: [k, k, k k]."""
    count, size, _ = patches.shape
    variances, directions = _principal_components(patches.reshape(count, -1))
    return (directions / _deviations(variances)).reshape(size, size, -1)


def _detail_filters(patches: np.ndarray) -> np.ndarray:
    """The pixel in the middle, and how far it is from the mean of its patch, likewise: [k, k, 2]."""
    size = patches.shape[1]
    pixel = np.zeros((size, size))
    pixel[size // 2, size // 2] = 1
    filters = np.stack([pixel, pixel - 1 / size**2], axis=-1)
    return filters / _deviations(np.tensordot(patches, filters, 2).var(axis=0))


def _deviations(variances: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(variances, 0) + _LEAST_DEVIATION**2)


def _principal_components(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances [D], rising, and directions [D, D], a column each, of [n, D]."""
    return np.linalg.eigh(np.atleast_2d(np.cov(rows.astype(np.float64), rowvar=False)))


def _fit(bank: FilterBank, found: np.ndarray) -> Novelty:
    mean, deviation = _half(found.mean(axis=0)), _half(np.maximum(found.std(axis=0), _LEAST_SPREAD))
    variances, directions = np.linalg.eigh(_shrunk_covariance((found - mean) / deviation))
    return Novelty(bank, mean, deviation, _half(directions / np.sqrt(np.maximum(variances, 1e-6))))


def _half(values: np.ndarray) -> np.ndarray:
    """The nearest numbers in half precision, in which a converter may store constants."""
    return values.astype(np.float16).astype(np.float32)


def _distances(novelty: Novelty, found: np.ndarray) -> np.ndarray:
    return np.square((found - novelty.mean) / novelty.deviation @ novelty.whitening).mean(axis=1)


def _shrunk_covariance(standard: np.ndarray) -> np.ndarray:
    """Ledoit and Wolf's estimate for centred rows [n, D]: [D, D]."""
    count, size = standard.shape
    covariance = standard.T @ standard / count
    scale = np.trace(covariance) / size
    identity = scale * np.eye(size)
    distance = np.square(covariance - identity).sum() / size
    error = (np.square(np.square(standard).sum(axis=1)).mean() - np.square(covariance).sum()) / count / size
    share = min(1.0, max(0.0, error / distance)) if distance > 0 else 1.0
    return (1 - share) * covariance + share * identity
