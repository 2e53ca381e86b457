"""Tells whether an accuracy is more than chance."""

from scipy.special import betainc

SIGNIFICANCE = 0.05


def chance_probability(correct: int, images: int, chance: float) -> float:
    """Exact one-sided binomial test: the probability of at least this many right answers by chance.

    Args:
        correct: images classified correctly.
        images: images looked at.
        chance: probability that a guess is right, 0..1.

    Returns:
        P(X >= correct) for X ~ Binomial(images, chance).
    """
    if correct <= 0 or chance >= 1:
        return 1.0
    return float(betainc(correct, images - correct + 1, chance))
