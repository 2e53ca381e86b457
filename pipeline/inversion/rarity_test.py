"""Tests of the rule for outliers: it must count how many labels there are."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.rarity import anomaly_indices, fewest_labels, index_by_chance


class RarityTest(absltest.TestCase):
    def test_more_labels_and_fewer_to_compare_with_make_the_index_by_chance_higher(self):
        self.assertGreater(index_by_chance(600, 600, 0.05), index_by_chance(43, 43, 0.05) + 0.2)
        self.assertGreater(index_by_chance(43, 12, 0.05), index_by_chance(43, 43, 0.05) + 0.2)
        self.assertGreater(index_by_chance(43, 43, 0.01), index_by_chance(43, 43, 0.05) + 0.2)

    def test_it_raises_as_many_false_alarms_as_it_says(self):
        threshold = index_by_chance(30, 30, 0.05)
        rng = np.random.default_rng(5)
        alarms = 0
        for _ in range(1000):
            sizes = np.exp(4 + 0.3 * rng.standard_normal(30))
            alarms += anomaly_indices(sizes, sizes).max() > threshold
        self.assertBetween(alarms, 25, 80)

    def test_of_two_labels_the_smaller_is_never_beyond_chance(self):
        for sizes in (np.array([1.0, 1000.0]), np.array([7.0])):
            self.assertLess(anomaly_indices(sizes, sizes).max(), index_by_chance(len(sizes), len(sizes), 0.5))

    def test_among_fewer_labels_not_even_the_smallest_size_there_can_be_is_beyond_chance(self):
        ratio, spread = 20.0, 0.33
        fewest = fewest_labels(0.01, spread, ratio)
        self.assertBetween(fewest, 4, 10)
        possible = np.log(ratio) / spread
        self.assertGreater(index_by_chance(fewest - 1, fewest - 1, 0.01), possible)
        for labels in range(fewest, fewest + 10):
            self.assertLess(index_by_chance(labels, labels, 0.01), possible)
        self.assertGreater(fewest_labels(0.01, 2 * spread, ratio), fewest)

    def test_equal_sizes_are_no_outliers(self):
        np.testing.assert_allclose(anomaly_indices(np.full(9, 50.0), np.full(9, 50.0)), 0)
        self.assertGreater(anomaly_indices(np.array([5.0]), np.full(9, 50.0))[0], 10)


if __name__ == "__main__":
    absltest.main()
