"""Takes out of a quantised net's answers the average shift that rounding its weights causes.

This is empirical bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.2), at the logits. Rounding moves every image's logits by much the same vector. That
vector is measured on clean images and subtracted. Adding a vector d to logits multiplies softmax probabilities by
exp(d), up to their sum, so probabilities suffice and the net itself stays as it is.
"""

import numpy as np

# Fewer images than this say more of themselves than of the shift.
FEWEST_IMAGES = 64
_FEWEST_OF_A_CLASS = FEWEST_IMAGES // 4

# Logits of classes this improbable decide nothing, and in a net that is too sure of itself they err the most.
_SMALLEST = 1e-8


def probability_factors(exact: np.ndarray, quantised: np.ndarray) -> np.ndarray:
    """Factors that turn a quantised net's probabilities into corrected ones, before they are scaled to sum to 1.

    Args:
        exact: probabilities of the net itself, [n, N], for `FEWEST_IMAGES` or more clean images.
        quantised: those of its quantised form for the same images.

    Returns:
        float32 [N]: exp of minus the mean shift of each logit; ones if what one half of the images says of the shift
        does not bring the other half nearer to the net itself.
    """
    halves = (slice(0, None, 2), slice(1, None, 2))
    corrected = np.empty(exact.shape)
    for half, other in zip(halves, reversed(halves), strict=True):
        corrected[other] = _scaled(quantised[other] * _factors(exact[half], quantised[half]))
    # NaN is no improvement either.
    if not np.abs(corrected - exact).sum() < np.abs(quantised - exact).sum():
        return np.ones(exact.shape[1], np.float32)
    return _factors(exact, quantised).astype(np.float32)


def _factors(exact: np.ndarray, quantised: np.ndarray) -> np.ndarray:
    both = (exact > _SMALLEST) & (quantised > _SMALLEST)
    logs = np.log(np.where(both, quantised, 1.0), dtype=np.float64) - np.log(
        np.where(both, exact, 1.0), dtype=np.float64
    )
    shifts = np.where(both, logs, np.nan)
    # What all classes of an image have in common is the change of its normaliser, not of its logits.
    shifts = shifts - np.nanmedian(np.where(both.any(axis=1, keepdims=True), shifts, 0.0), axis=1, keepdims=True)
    seen = both.sum(axis=0)
    # A class that is improbable beyond measure on most images has no mean to speak of.
    return np.exp(-np.where(seen >= _FEWEST_OF_A_CLASS, np.nansum(shifts, axis=0) / np.maximum(seen, 1), 0.0))


def _scaled(probabilities: np.ndarray) -> np.ndarray:
    return probabilities / probabilities.sum(axis=1, keepdims=True)
