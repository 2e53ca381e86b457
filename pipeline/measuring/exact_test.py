"""Tests of the exact intervals, against values of the beta distribution."""

from absl.testing import absltest

from goodnet.pipeline.measuring.exact import exact_interval, least_share
from goodnet.pipeline.measuring.rates import Rate


class ExactTest(absltest.TestCase):
    def test_known_intervals(self):
        for rate, low, high in (
            (Rate(0, 30), 0.0, 0.115703),
            (Rate(40, 40), 0.911903, 1.0),
            (Rate(1, 10), 0.002529, 0.445016),
            (Rate(5, 10), 0.187086, 0.812914),
        ):
            found = exact_interval(rate)
            self.assertAlmostEqual(found[0], low, places=5)
            self.assertAlmostEqual(found[1], high, places=5)

    def test_one_sided(self):
        self.assertAlmostEqual(least_share(Rate(5, 5)), 0.05**0.2, places=9)
        self.assertEqual(least_share(Rate(0, 5)), 0.0)

    def test_nothing_counted(self):
        self.assertEqual(exact_interval(Rate(0, 0)), (0.0, 1.0))


if __name__ == "__main__":
    absltest.main()
