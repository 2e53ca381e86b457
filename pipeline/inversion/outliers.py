"""How far a label's trigger lies below ordinary ones, by a rule that a few labels and several targets do not blind.

Neural Cleanse's median absolute deviation (`rarity`) throws most of its data away: with 12 labels it wavers so much
that only an index above 5.5 is rarer than 1 in 100. Here the smallest fifth of the sizes, where targets would be, is
left out, the rest gives mean and spread, and the spread is moderated towards what is usual, as few sizes say little of
it (Smyth, "Linear models and empirical Bayes methods", 2004). It is never taken for less than that: what was left out
are the classes that are easy to reach, and of how easy they are the others tell nothing, however many and alike. What
index comes by chance follows from drawing normal logarithms.
"""

import functools
import math

import numpy as np

# Share of the sizes, the smallest, that says nothing of ordinary ones: targets may be among them.
_LEFT_OUT = 0.2
# As many sizes' worth is known of the spread before any is seen.
_PRIOR_SIZES = 8
_TRIALS = 4000
_LEAST_SIZE = 1e-6
_FEWEST_LEFT = 2


def outlier_indices(sizes: np.ndarray, reference: np.ndarray, usual_spread: float) -> np.ndarray:
    """How many spreads the logarithms of sizes lie below ordinary ones.

    Args:
        sizes: [n], above 0.
        reference: [m], above 0, at least two; of ordinary labels, all but a fifth.
        usual_spread: standard deviation of the logarithms in the ordinary four fifths of a usual clean model.

    Returns:
        float64 [n]; negative above the ordinary.
    """
    centre, spread = _ordinary(_logs(reference)[None], usual_spread)
    return (centre[0] - _logs(sizes)) / spread[0]


@functools.cache
def outlier_index_by_chance(labels: int, reference: int, probability: float, seed: int = 0) -> float:
    """The index that the smallest of N labels of a clean model, whose spread is the usual one, exceeds by chance.

    Args:
        labels: N, among which the smallest is looked for.
        reference: how many labels mean and spread are taken from, 2..N; they are among the N.
        probability: of a false alarm, 0..1.
        seed: of the drawing.

    Returns:
        The index; infinity where so few sizes are left that they have no spread.
    """
    if reference - _left_out(reference) < _FEWEST_LEFT:
        return math.inf
    rng = np.random.default_rng(seed)
    logs = rng.standard_normal((_TRIALS, reference))
    smallest = logs.min(axis=1)
    if labels > reference:
        others = np.array([rng.standard_normal(labels - reference).min() for _ in range(_TRIALS)])
        smallest = np.minimum(smallest, others)
    kept = np.sort(logs, axis=1)[:, _left_out(reference) :]
    usual = float(np.sqrt(kept.var(axis=1, ddof=1).mean()))
    centre, spread = _ordinary(logs, usual)
    return float(np.quantile((centre - smallest) / spread, 1 - probability))


def _ordinary(logs: np.ndarray, usual_spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and moderated spread, at least the usual one, of rows of logarithms: [t, m] -> [t], [t]."""
    kept = np.sort(logs, axis=1)[:, _left_out(logs.shape[1]) :]
    freedom = max(kept.shape[1] - 1, 0)
    squares = kept.var(axis=1) * kept.shape[1]
    moderated = np.sqrt((squares + _PRIOR_SIZES * usual_spread**2) / (freedom + _PRIOR_SIZES))
    return kept.mean(axis=1), np.maximum(moderated, usual_spread)


def _left_out(count: int) -> int:
    return int(np.ceil(_LEFT_OUT * count))


def _logs(sizes: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(sizes, _LEAST_SIZE))
