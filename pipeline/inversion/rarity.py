"""How small is suspiciously small: the anomaly index that one label among N reaches by chance.

The usual "anomaly index > 2" (Neural Cleanse, Wang et al., IEEE S&P 2019) is meant for one label. Of N labels some lie
far out by chance, and the more there are, the farther; the index also wavers with the few sizes that median and spread
are taken from. Both follow from drawing normal sizes and looking at the largest index.
"""

import functools
import math

import numpy as np

_TRIALS = 4000
_MANY = 32
_FEWEST = 3
# Makes the median absolute deviation of a normal distribution its standard deviation.
_MAD_TO_SIGMA = 1.4826
# Below this spread of log sizes (5 %) the deviations are noise of the inversion, not differences between classes.
_LEAST_SPREAD = 0.05


def anomaly_indices(sizes: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How many robust standard deviations the logarithms of sizes lie below a reference's median.

    Logarithms, since sizes are positive and skewed.

    Args:
        sizes: [n], above 0.
        reference: [m], above 0, at least one; of ordinary labels, for the most part.

    Returns:
        float64 [n]; negative above the median.
    """
    median, spread = _middle(reference)
    return (median - np.log(np.maximum(sizes, 1e-6))) / spread


def size_at_index(reference: np.ndarray, index: float) -> float:
    """The size that has a given anomaly index: what `anomaly_indices` turns into that index.

    Args:
        reference: [m], above 0, at least one.
        index: the index.
    """
    median, spread = _middle(reference)
    return float(np.exp(median - index * spread))


def _middle(reference: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation of the logarithms of sizes."""
    logs = np.log(np.maximum(reference, 1e-6))
    median = float(np.median(logs))
    return median, max(_MAD_TO_SIGMA * float(np.median(np.abs(logs - median))), _LEAST_SPREAD)


@functools.cache
def fewest_labels(probability: float, usual_spread: float, largest_ratio: float) -> int:
    """The fewest labels among which the smallest size can be beyond chance at all.

    Median and spread of a few labels waver so much that chance alone makes indices which no size could have.

    Args:
        probability: of a false alarm, 0..1.
        usual_spread: standard deviation of the logarithms of ordinary labels' sizes.
        largest_ratio: of an ordinary size to the smallest that there can be, above 1.

    Returns:
        A number from which on it is possible among any number of labels.
    """
    possible = math.log(largest_ratio) / usual_spread
    for labels in range(_MANY, 0, -1):
        if index_by_chance(labels, labels, probability) > possible:
            return labels + 1
    raise AssertionError("one label is never beyond chance")


def index_by_chance(labels: int, reference: int, probability: float, seed: int = 0) -> float:
    """The index that the smallest of N labels of a clean model exceeds with a given probability.

    Args:
        labels: N, among which the smallest is looked for.
        reference: how many labels median and spread are taken from, at most N; they are among the N.
        probability: of a false alarm, 0..1.
        seed: of the drawing.

    Returns:
        The index; infinity for fewer than three labels to compare with, which always differ by as many deviations.
    """
    if reference < _FEWEST:
        return math.inf
    rng = np.random.default_rng(seed)
    largest = np.empty(_TRIALS)
    for trial in range(_TRIALS):
        logs = rng.standard_normal(labels)
        median = np.median(logs[:reference])
        spread = _MAD_TO_SIGMA * np.median(np.abs(logs[:reference] - median))
        largest[trial] = (median - logs.min()) / max(spread, 1e-9)
    return float(np.quantile(largest, 1 - probability))
