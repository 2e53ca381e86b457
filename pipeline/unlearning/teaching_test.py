"""Tests of what is taught while a network unlearns."""

import numpy as np
from absl.testing import absltest

from data.image_set import from_arrays
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.training.augmentation import Augmentation
from pipeline.unlearning.stamping import StampSome
from pipeline.unlearning.teaching import Teaching, bearable, mixed

_CLASSES = 3


def _white_corner() -> InvertedTrigger:
    mask = np.zeros((8, 8, 1), np.float32)
    mask[:2, :2] = 1
    return InvertedTrigger(2, mask, np.full((8, 8, 3), 255, np.float32), 1.0)


class TeachingTest(absltest.TestCase):
    def test_a_stamped_image_is_taught_as_what_it_shows_without_the_stamp(self):
        seen = []

        def teacher(images):
            seen.append(images)
            return np.tile(np.float32([0.2, 0.6, 0.2]), (len(images), 1))

        rng = np.random.default_rng(0)
        images, labels = rng.integers(0, 200, (200, 8, 8, 3)).astype(np.uint8), np.arange(200) % _CLASSES
        shown, targets = Teaching(teacher, _CLASSES, StampSome([_white_corner()], 0.5))(images, labels, rng)

        carries = (shown[:, :2, :2] == 255).all(axis=(1, 2, 3))
        self.assertBetween(carries.sum(), 40, 95)
        self.assertFalse((labels[carries] == 2).any())
        np.testing.assert_array_equal(seen[0][carries], images[carries], "the teacher saw a trigger")
        np.testing.assert_array_equal(seen[0][~carries], shown[~carries], "teacher and network saw different images")
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(targets[carries & (labels == 0)][0], [0.6, 0.3, 0.1], atol=1e-6)
        np.testing.assert_allclose(targets[~carries][0], [0.2, 0.6, 0.2])


class BearableTest(absltest.TestCase):
    def test_a_teacher_that_knows_one_place_only_is_not_asked_about_shifted_images(self):
        bright = np.arange(64) % 2
        images = np.full((64, 8, 8, 3), 10, np.uint8)
        images[bright == 1, 4, 4] = 250  # one pixel, which a shift takes away
        clean = from_arrays("one pixel", images, bright)

        def rigid(images):
            seen = (images[:, 4, 4, 0] > 100).astype(int)
            return np.eye(2, dtype=np.float32)[seen]

        def robust(images):
            seen = (images[..., 0] > 100).any(axis=(1, 2)).astype(int)
            return np.eye(2, dtype=np.float32)[seen]

        wanted = Augmentation(max_shift=2, max_zoom=0.1, max_light=0.2)
        self.assertEqual(bearable(wanted, robust, clean, seed=0), wanted)
        self.assertEqual(bearable(wanted, rigid, clean, seed=0), Augmentation(0, 0.1, 0.2))


class MixedTest(absltest.TestCase):
    def test_an_image_stays_at_least_half_of_itself_and_in_its_range(self):
        images = np.repeat(np.uint8([0, 255]), 8 * 8 * 3 * 50).reshape(100, 8, 8, 3)
        result = mixed(images, np.random.default_rng(0))
        self.assertEqual((result.dtype, result.shape), (images.dtype, images.shape))
        self.assertLessEqual(result[:50].max(), 128)
        self.assertGreaterEqual(result[50:].min(), 127)
        self.assertGreater(len(np.unique(result)), 20)


if __name__ == "__main__":
    absltest.main()
