"""Exact binomial intervals (Clopper and Pearson, Biometrika 1934): never narrower than they claim to be."""

from scipy.special import betaincinv

from goodnet.pipeline.measuring.rates import Rate


def exact_interval(rate: Rate, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval, low and high in 0..1.

    Args:
        rate: so many of so many.
        confidence: 0..1.

    Returns:
        0 and 1 where nothing was counted.
    """
    half = (1 - confidence) / 2
    return _low(rate, half), 1 - _low(Rate(rate.total - rate.count, rate.total), half)


def least_share(rate: Rate, confidence: float = 0.95) -> float:
    """The one-sided lower bound of the share, 0..1."""
    return _low(rate, 1 - confidence)


def _low(rate: Rate, tail: float) -> float:
    """The share at which that many or more would be counted with the probability `tail`."""
    return float(betaincinv(rate.count, rate.total - rate.count + 1, tail)) if rate.count else 0.0
