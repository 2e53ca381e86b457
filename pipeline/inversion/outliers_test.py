"""Tests of the rule for outliers: it must keep its promise of false alarms, and see through several targets."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.outliers import outlier_index_by_chance, outlier_indices

_USUAL = 0.3


class OutliersTest(absltest.TestCase):
    def test_it_raises_as_many_false_alarms_as_it_says(self):
        # Of normal logarithms whose smallest fifth is left out, the rest spreads less than all of them do.
        rng = np.random.default_rng(5)
        logs = np.sort(rng.standard_normal((4000, 20)), axis=1)
        usual = float(np.sqrt(logs[:, 4:].var(axis=1, ddof=1).mean()))
        threshold = outlier_index_by_chance(20, 20, 0.05)
        alarms = sum(
            outlier_indices(sizes, sizes, usual).max() > threshold
            for sizes in np.exp(4 + rng.standard_normal((1000, 20)))
        )
        self.assertBetween(alarms, 30, 75)

    def test_more_labels_make_the_index_by_chance_higher(self):
        self.assertGreater(outlier_index_by_chance(1283, 32, 0.01), outlier_index_by_chance(43, 43, 0.01) + 0.5)
        self.assertGreater(outlier_index_by_chance(43, 43, 0.01), outlier_index_by_chance(43, 43, 0.05) + 0.2)

    def test_three_targets_among_twenty_do_not_hide_each_other(self):
        sizes = np.exp(4 + 0.25 * np.random.default_rng(1).standard_normal(20))
        sizes[[2, 5, 9]] = 5.0
        indices = outlier_indices(sizes, sizes, _USUAL)
        self.assertGreater(indices[[2, 5, 9]].min(), outlier_index_by_chance(20, 20, 0.01))
        self.assertLess(np.delete(indices, [2, 5, 9]).max(), 3)

    def test_many_labels_alike_do_not_make_an_easy_class_a_target(self):
        # As in clean networks of 43 traffic signs: one class takes a third of what the others take.
        sizes = np.exp(4.6 + 0.1 * np.random.default_rng(2).standard_normal(43))
        sizes[12] = np.exp(4.6) / 3
        usual = 0.25
        self.assertLess(outlier_indices(sizes, sizes, usual)[12], outlier_index_by_chance(43, 43, 0.01))
        sizes[12] = np.exp(4.6) / 5
        self.assertGreater(outlier_indices(sizes, sizes, usual)[12], outlier_index_by_chance(43, 43, 0.01))

    def test_equal_sizes_are_no_outliers(self):
        np.testing.assert_allclose(outlier_indices(np.full(9, 50.0), np.full(9, 50.0), _USUAL), 0, atol=1e-12)


if __name__ == "__main__":
    absltest.main()
