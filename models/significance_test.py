"""Tests of the binomial test."""

from fractions import Fraction
from math import comb

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.models.significance import chance_probability


class SignificanceTest(parameterized.TestCase):
    @parameterized.parameters((4, 5, 0.2), (3, 5, 0.2), (20, 200, 1 / 43), (200, 200, 0.5), (1, 1, 0.5), (0, 9, 0.1))
    def test_chance_probability_is_the_exact_binomial_tail(self, correct, images, chance):
        share = Fraction(chance)
        exact = sum(comb(images, k) * share**k * (1 - share) ** (images - k) for k in range(correct, images + 1))
        np.testing.assert_allclose(chance_probability(correct, images, chance), float(exact), rtol=1e-9)


if __name__ == "__main__":
    absltest.main()
