"""How far a label lies from ordinary ones: by the size of its trigger, by its alignment, and by both together."""

import numpy as np

# Of the logarithms of sizes and of Fisher's z, at least: a few labels may lie close together by chance.
_LEAST_SPREAD = 0.25
# Two directions nearer to each other than this are the same but for rounding.
_SAME = 0.999


def size_indices(sizes: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """How many robust standard deviations sizes lie below the median of ordinary ones, on logarithms.

    Args:
        sizes: float [K], of each label's trigger; infinite where none works, which counts as larger than all others.
        ordinary: bool [K], which labels are compared with.

    Returns:
        float [K]; NaN where nothing is known.
    """
    logs = np.log(sizes)
    usual = middle_and_spread(logs[ordinary])
    if usual is None:
        return np.full(len(sizes), np.nan)
    return np.where(np.isfinite(logs), (usual[0] - logs) / usual[1], np.nan)


def alignment_indices(cosines: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """How many robust standard deviations alignments lie below the median of ordinary ones, on Fisher's z.

    Args:
        cosines: float [K], -1..1; NaN where nothing is known.
        ordinary: bool [K], which labels are compared with.

    Returns:
        float [K]; 0, as of an ordinary label, where nothing is known.
    """
    z = np.arctanh(np.clip(cosines, -_SAME, _SAME))
    usual = middle_and_spread(z[ordinary & np.isfinite(z)])
    if usual is None:
        return np.zeros(len(cosines))
    return np.where(np.isfinite(z), (usual[0] - z) / usual[1], 0)


def joint_indices(sizes: np.ndarray, alignments: np.ndarray) -> np.ndarray:
    """Two indices of each label in one; of independent ones a standard deviation is 1 again (Stouffer et al., 1949)."""
    return (sizes + alignments) / np.sqrt(2)


def middle_and_spread(ordinary: np.ndarray) -> tuple[float, float] | None:
    """Median and robust standard deviation (1.4826 times the median distance) of values, at least 0.25.

    Args:
        ordinary: float [n]; infinite values count as larger than all others.

    Returns:
        None where no value is finite.
    """
    known = ordinary[np.isfinite(ordinary)]
    if not len(known):
        return None
    middle = np.median(ordinary)
    if not np.isfinite(middle):
        middle = known.max()
    # What is infinite lies above the middle, and as far as the largest at least.
    apart = np.abs(np.minimum(ordinary, known.max()) - middle)
    return float(middle), float(max(1.4826 * np.median(apart), _LEAST_SPREAD))
