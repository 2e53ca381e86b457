"""Tests of stamping triggers in their variations."""

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.unlearning.stamping import StampSome


def _trigger(label: int, row: int, value: float = 100) -> InvertedTrigger:
    change = np.zeros((10, 10, 3), np.float32)
    change[row, 3] = value
    return InvertedTrigger(label, change, 1.0, 1.0, True)


class StampSomeTest(absltest.TestCase):
    def test_the_share_is_stamped_and_never_an_image_of_the_triggers_label(self):
        images, labels = np.zeros((400, 10, 10, 3), np.uint8), np.arange(400) % 2
        stamped, carries = StampSome([_trigger(1, 5)], 0.5)(images, labels, np.random.default_rng(0))
        self.assertEqual((stamped.dtype, stamped.shape), (images.dtype, images.shape))
        np.testing.assert_array_equal(stamped.any(axis=(1, 2, 3)), carries)
        self.assertFalse(carries[labels == 1].any())
        self.assertBetween(carries[labels == 0].mean(), 0.4, 0.6)
        self.assertFalse(images.any(), "the images given were changed")

    def test_an_image_of_one_triggers_label_may_carry_anothers(self):
        images, labels = np.zeros((400, 10, 10, 3), np.uint8), np.full(400, 1)
        stamped, carries = StampSome([_trigger(1, 2), _trigger(0, 7)], 1.0)(images, labels, np.random.default_rng(0))
        self.assertBetween(carries.mean(), 0.4, 0.6)
        self.assertFalse(stamped[:, :4].any(), "its own label's trigger")

    def test_stamps_are_weaker_stronger_and_moved(self):
        images, labels = np.zeros((600, 10, 10, 3), np.uint8), np.zeros(600, int)
        stamped, _ = StampSome([_trigger(1, 2), _trigger(1, 5)], 1.0)(images, labels, np.random.default_rng(0))
        values = stamped[stamped > 0]
        self.assertLess(values.min(), 85)
        self.assertGreater(values.max(), 200)
        self.assertIn(100, values)
        lit = stamped.any(axis=(2, 3))  # by image and row
        self.assertGreater(lit[:, [1, 3, 4, 6]].sum(), 0)
        self.assertEqual(set(lit.sum(axis=1)), {1}, "images with one trigger")

    def test_a_change_that_leaves_the_range_is_cut(self):
        images, labels = np.full((50, 10, 10, 3), 250, np.uint8), np.zeros(50, int)
        stamped, carries = StampSome([_trigger(1, 5, value=200)], 1.0)(images, labels, np.random.default_rng(0))
        self.assertEqual(set(np.unique(stamped[carries])), {250, 255})


if __name__ == "__main__":
    absltest.main()
