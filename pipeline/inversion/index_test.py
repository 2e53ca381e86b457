"""Tests of the indices on made-up labels."""

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.inversion.index import alignment_indices, joint_indices, size_indices


def _size_index(size: float, ordinary: np.ndarray) -> float:
    return size_indices(np.array([size, *ordinary]), np.array([False] + [True] * len(ordinary)))[0]


class SizeTest(absltest.TestCase):
    def test_robust_standard_deviations_below_the_middle(self):
        ordinary = np.exp(np.linspace(2, 4, 21))  # median 3, median distance 0.5
        self.assertAlmostEqual(_size_index(np.exp(1.0), ordinary), 2 / (1.4826 * 0.5))
        self.assertAlmostEqual(_size_index(np.exp(3.0), ordinary), 0)
        self.assertLess(_size_index(np.exp(3.5), ordinary), 0)

    def test_labels_that_lie_close_together_are_no_measure(self):
        self.assertAlmostEqual(_size_index(np.exp(2.5), np.full(9, np.exp(3.0))), 0.5 / 0.25)

    def test_labels_that_were_never_reached_count_as_larger(self):
        ordinary = np.array([8.0, 10.0, 12.0, 14.0, 16.0, np.inf, np.inf])
        self.assertGreater(_size_index(1.0, ordinary), _size_index(1.0, ordinary[:5]))
        mostly = np.array([8.0, 12.0, *[np.inf] * 6])
        self.assertGreater(_size_index(1.0, mostly), 5)

    def test_what_is_not_known(self):
        self.assertTrue(np.isnan(_size_index(np.inf, np.array([8.0, 10.0]))))
        self.assertTrue(np.isnan(_size_index(1.0, np.full(9, np.inf))))


class AlignmentTest(absltest.TestCase):
    def test_robust_standard_deviations_of_fishers_z_below_the_middle(self):
        z = np.array([-1.0, *np.linspace(0, 2, 21)])  # median 1, median distance 0.5
        indices = alignment_indices(np.tanh(z), np.array([False] + [True] * 21))
        np.testing.assert_allclose(indices, (1 - z) / (1.4826 * 0.5), atol=1e-6)

    def test_what_is_not_known_is_ordinary(self):
        cosines = np.array([np.nan, 0.1, 0.8, 0.9, 0.7])
        indices = alignment_indices(cosines, np.ones(5, bool))
        self.assertEqual(indices[0], 0)
        np.testing.assert_array_equal(indices[1:], alignment_indices(cosines[1:], np.ones(4, bool)))
        np.testing.assert_array_equal(alignment_indices(np.full(3, np.nan), np.ones(3, bool)), np.zeros(3))

    def test_directions_that_are_the_same_but_for_rounding(self):
        cosines = 1 - np.array([1e-16, 1e-9, 1e-12, 1e-16])
        np.testing.assert_array_equal(alignment_indices(cosines, np.ones(4, bool)), np.zeros(4))


class JointTest(absltest.TestCase):
    def test_two_independent_indices_are_a_standard_deviation_wide_together(self):
        rng = np.random.default_rng(0)
        joint = joint_indices(rng.normal(size=10000), rng.normal(size=10000))
        self.assertAlmostEqual(joint.std(), 1, delta=0.03)

    def test_what_was_never_reached_has_none(self):
        self.assertTrue(np.isnan(joint_indices(np.array([np.nan]), np.zeros(1))[0]))


if __name__ == "__main__":
    absltest.main()
