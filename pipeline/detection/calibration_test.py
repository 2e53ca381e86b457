"""Tests of the detector's threshold."""

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.pipeline.detection.calibration import calibrate


class CalibrationTest(absltest.TestCase):
    def test_the_threshold_is_the_conformal_quantile(self):
        suspicions = np.arange(99, dtype=np.float32) / 100
        found = calibrate(suspicions, 0.10)
        self.assertAlmostEqual(found.threshold, 0.89, places=6)  # the 90th smallest of 99
        self.assertEqual(found.rate.count, 9)
        self.assertEqual(found.promised, 0.10)

    def test_few_images_promise_no_more_than_they_can(self):
        found = calibrate(np.array([0.1, 0.5, 0.3], np.float32), 0.01)
        self.assertAlmostEqual(found.threshold, 0.5, places=6)
        self.assertEqual(found.promised, 0.25)

    def test_the_promise_holds_on_new_images(self):
        rng = np.random.default_rng(0)
        rates = []
        for _ in range(400):
            threshold = calibrate(rng.beta(0.2, 5, 200), 0.05).threshold
            rates.append(np.mean(rng.beta(0.2, 5, 500) > threshold))
        # The mean over 400 calibrations has a standard error of about 0.001.
        self.assertLess(np.mean(rates), 0.05 + 0.004)
        self.assertGreater(np.mean(rates), 0.05 - 0.012)

    def test_a_rate_of_one_flags_all_that_is_suspicious_at_all(self):
        self.assertEqual(calibrate(np.array([0.2, 0.4]), 1.0).threshold, 0.0)

    def test_no_images_is_refused(self):
        with self.assertRaisesRegex(InputError, "clean_data"):
            calibrate(np.zeros(0), 0.01)


if __name__ == "__main__":
    absltest.main()
