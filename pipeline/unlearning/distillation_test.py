"""Tests of what is taught while a network unlearns."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.training.augmentation import Augmentation
from goodnet.pipeline.unlearning.distillation import Distillation, mixed, with_tolerated_shift
from goodnet.pipeline.unlearning.stamping import StampSome

_CLASSES = 3


def _white_corner(label: int = 2) -> InvertedTrigger:
    change = np.zeros((8, 8, 3), np.float32)
    change[:2, :2] = 255
    return InvertedTrigger(label, change, 4.0, 1.0, True)


def _uniform_noise(count: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 100, (count, 8, 8, 3)).astype(np.uint8), np.arange(count) % _CLASSES, rng


class DistillationTest(absltest.TestCase):
    def test_a_stamped_image_is_taught_as_what_it_shows_without_the_stamp(self):
        seen = []

        def teacher(images):
            seen.append(images)
            return np.tile(np.float32([0.2, 0.8, 0.0]), (len(images), 1))

        images, labels, rng = _uniform_noise(200)
        shown, targets = Distillation(teacher, _CLASSES, StampSome([_white_corner()], 0.5))(images, labels, rng)

        carries = (shown[:, :2, :2] > 100).any(axis=(1, 2, 3))
        self.assertBetween(carries.sum(), 40, 95)
        self.assertFalse((labels[carries] == 2).any())
        np.testing.assert_array_equal(seen[0][carries], images[carries], "the teacher saw a trigger")
        np.testing.assert_array_equal(seen[0][~carries], shown[~carries], "teacher and network saw different images")
        self.assertEqual((targets.dtype, targets.shape), (np.float32, (200, _CLASSES)))
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(targets[carries & (labels == 0)][0], [0.6, 0.4, 0.0], atol=1e-6)
        np.testing.assert_allclose(targets[~carries][0], [0.2, 0.8, 0.0], atol=1e-6)

    def test_the_answer_of_a_target_counts_only_where_an_image_of_the_target_is_shown(self):
        # The suspect sees its trigger in whatever is shifted or mixed.
        answer = np.float32([0.06, 0.04, 0.9])
        images, labels, rng = _uniform_noise(300)
        seen = []

        def teacher(images):
            seen.append(images)
            return np.tile(answer, (len(images), 1))

        _, targets = Distillation(teacher, _CLASSES, StampSome([_white_corner()], 0.0))(images, labels, rng)
        self.assertEqual(set(np.unique(targets[:, 2] > 1e-6)), {False, True})
        self.assertTrue((targets[labels == 2, 2] > 0.89).all(), "an image of the target itself")
        without = targets[:, 2] < 1e-6
        np.testing.assert_allclose(targets[without], np.tile([0.6, 0.4, 0.0], (without.sum(), 1)), atol=1e-6)
        # Some images of other classes have one of the target shining through.
        _, others = mixed(images, _after_stamping(images, labels))
        np.testing.assert_array_equal(~without, (labels == 2) | (labels[others] == 2))

    def test_a_stamped_image_shows_nothing_of_another(self):
        # The image that would have been mixed in is not there, whatever its label.
        images, labels, rng = _uniform_noise(300)
        teacher = lambda images: np.tile(np.float32([0.06, 0.04, 0.9]), (len(images), 1))  # noqa: E731
        shown, targets = Distillation(teacher, _CLASSES, StampSome([_white_corner()], 1.0))(images, labels, rng)
        carries = (shown[:, :2, :2] > 100).any(axis=(1, 2, 3))
        self.assertLess(targets[carries, 2].max(), 1e-6)

    def test_a_teacher_that_answers_nothing_but_the_target_teaches_no_nan(self):
        images, labels, rng = _uniform_noise(30)
        teacher = lambda images: np.tile(np.float32([0, 0, 1]), (len(images), 1))  # noqa: E731
        _, targets = Distillation(teacher, _CLASSES, StampSome([_white_corner()], 0.3))(images, labels, rng)
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)


def _after_stamping(images: np.ndarray, labels: np.ndarray) -> np.random.Generator:
    """The generator as it is when images are mixed."""
    _, _, rng = _uniform_noise(len(images))
    StampSome([_white_corner()], 0.0)(images, labels, rng)
    return rng


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
        self.assertEqual(with_tolerated_shift(wanted, robust, clean, seed=0), wanted)
        self.assertEqual(with_tolerated_shift(wanted, rigid, clean, seed=0), Augmentation(0, 0.1, 0.2))


class MixedTest(absltest.TestCase):
    def test_an_image_stays_at_least_half_of_itself_and_in_its_range(self):
        images = np.repeat(np.uint8([0, 255]), 8 * 8 * 3 * 50).reshape(100, 8, 8, 3)
        result, others = mixed(images, np.random.default_rng(0))
        self.assertEqual((result.dtype, result.shape), (images.dtype, images.shape))
        self.assertLessEqual(result[:50].max(), 128)
        self.assertGreaterEqual(result[50:].min(), 127)
        self.assertGreater(len(np.unique(result)), 20)
        np.testing.assert_array_equal(result.any(axis=(1, 2, 3))[:50], others[:50] >= 50)


if __name__ == "__main__":
    absltest.main()
