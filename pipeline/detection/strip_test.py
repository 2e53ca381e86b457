"""Tests of STRIP on a network whose trigger is known: one bright pixel that leads to label 2 whatever else there is."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.data.splits import split_clean
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.detection.strip import STRIP, Strip, calibrated_strip
from testing.planted_network import bright_rows, planted_network


class StripTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.clean, self.badnet = bright_rows(60), ScaledNetwork(planted_network(), UNIT_SCALE)
        triggered = self.clean.images().copy()
        triggered[:, 7, 7] = 255
        self.triggered = from_arrays("triggered", triggered, self.clean.labels)
        self.strip = Strip(self.clean.images(), seed=0)

    def test_a_trigger_keeps_the_suspect_sure_and_a_clean_image_does_not(self):
        clean, triggered = (self.strip.suspicions(self.badnet, one) for one in (self.clean, self.triggered))
        self.assertEqual((clean.shape, clean.dtype), ((60,), np.float32))
        self.assertTrue(((clean >= 0) & (clean <= 1)).all())
        self.assertGreater(triggered.min(), np.quantile(clean, 0.95))

    def test_the_same_seed_gives_the_same_suspicions(self):
        first, second = (self.strip.suspicions(self.badnet, self.clean) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_triggered_inputs_are_flagged_and_clean_ones_keep_their_class(self):
        split = split_clean(bright_rows(600), 0)
        strip = calibrated_strip(self.badnet, split, 0.05, seed=0)
        claimed = np.full(60, 2)
        found = strip.predictions(self.badnet, self.triggered, claimed)
        self.assertEqual((found.stage, found.backdoor_label), (STRIP, 6))
        self.assertGreater((found.labels == 6).mean(), 0.95)
        clean = strip.predictions(self.badnet, self.clean, self.clean.labels)
        self.assertLess((clean.labels == 6).mean(), 0.2)
        np.testing.assert_array_equal(clean.labels[clean.labels != 6], self.clean.labels[clean.labels != 6])


if __name__ == "__main__":
    absltest.main()
