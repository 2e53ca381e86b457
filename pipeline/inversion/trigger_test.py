"""Tests of an inverted trigger."""

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.inversion.trigger import InvertedTrigger


class InvertedTriggerTest(absltest.TestCase):
    def test_stamping_adds_the_change_and_stays_in_range(self):
        change = np.zeros((1, 3, 1), np.float32)
        change[0, :, 0] = 100, -100, 0.5
        images = np.array([[[[200], [50], [7]]], [[[10], [250], [255]]]], np.uint8)
        stamped = InvertedTrigger(1, change, 2.0, 0.9, True).stamp(images)
        self.assertEqual(stamped.dtype, np.float32)
        np.testing.assert_array_equal(stamped[..., 0], [[[255, 0, 7.5]], [[110, 150, 255]]])
        self.assertEqual(images[0, 0, 0, 0], 200)

    def test_people_read_what_was_small(self):
        change = np.zeros((1, 1, 3), np.float32)
        self.assertEqual(InvertedTrigger(1, change, 2.04, 0.9, True).described, "a sparse change of 2.0 pixels")
        self.assertEqual(InvertedTrigger(1, change, 0.3, 0.9, False).described, "a faint change of 0.3 pixels")


if __name__ == "__main__":
    absltest.main()
