"""How much a trigger's size counts against its success, for each label apart."""

import numpy as np


class Penalty:
    """Weights that rise while a trigger works and fall while it does not.

    Neural Cleanse's schedule (Wang et al., IEEE S&P 2019): twice as much after a streak of successes, 2^-1.5 times as
    much after one of failures.
    """

    def __init__(self, labels: int, first: float, patience: int):
        """One weight a label.

        Args:
            labels: how many.
            first: their first weight.
            patience: steps in a row of success, or of failure, before a weight changes.
        """
        self.weights = np.full(labels, first, np.float32)
        self._streak = np.zeros(labels, np.int64)
        self._patience = patience

    def update(self, works: np.ndarray) -> None:
        """Takes note of a step: bool [labels], whether each label's trigger worked."""
        self._streak = np.where(works, np.maximum(self._streak, 0) + 1, np.minimum(self._streak, 0) - 1)
        rise, fall = self._streak >= self._patience, self._streak <= -self._patience
        weights = np.where(rise, self.weights * 2, np.where(fall, self.weights / 2**1.5, self.weights))
        self.weights = weights.astype(np.float32)
        self._streak[rise | fall] = 0
