import json
import math

from absl.testing import absltest

from goodnet.pipeline.measuring.rates import Rate


class RateTest(absltest.TestCase):
    def test_interval_is_wilsons(self):
        # R: binom::binom.confint(x, n, methods = "wilson"); 8 of 10 and 1 of 29 are textbook cases (Newcombe 1998).
        for count, total, low, high in [
            (8, 10, 0.4902, 0.9433),
            (1, 29, 0.0061, 0.1718),
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
        ]:
            found = Rate(count, total).interval
            self.assertAlmostEqual(found[0], low, places=4)
            self.assertAlmostEqual(found[1], high, places=4)

    def test_extremes_do_not_shrink_to_a_point(self):
        low, high = Rate(0, 20).interval
        self.assertEqual(low, 0.0)
        self.assertAlmostEqual(high, 0.1611, places=4)
        low, high = Rate(20, 20).interval
        self.assertAlmostEqual(low, 0.8389, places=4)
        self.assertEqual(high, 1.0)

    def test_interval_holds_the_value_and_stays_in_bounds(self):
        for total in (1, 2, 7, 3000):
            for count in {0, 1, total // 2, total}:
                low, high = Rate(count, total).interval
                self.assertLessEqual(0.0, low)
                self.assertLessEqual(low, count / total)
                self.assertLessEqual(count / total, high)
                self.assertLessEqual(high, 1.0)

    def test_text_has_share_interval_and_count(self):
        self.assertEqual(str(Rate(2842, 3000)), "94.7 % [93.9, 95.5] (2842/3000)")
        self.assertEqual(str(Rate(0, 0)), "no images")

    def test_json_has_no_nan(self):
        self.assertEqual(
            json.loads(json.dumps(Rate(0, 0).as_json(), allow_nan=False)),
            {"count": 0, "total": 0, "value": None, "low": None, "high": None},
        )
        self.assertEqual(Rate(1, 4).as_json()["value"], 0.25)
        self.assertTrue(math.isnan(Rate(0, 0).value))

    def test_impossible_counts_are_refused(self):
        for count, total in [(3, 2), (-1, 2)]:
            with self.assertRaises(ValueError):
                Rate(count, total)


if __name__ == "__main__":
    absltest.main()
