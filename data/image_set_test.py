from unittest import mock

import numpy as np
from absl.testing import absltest

from goodnet.data import image_set as image_sets
from goodnet.data.errors import InputError
from goodnet.data.fitting import resizable
from goodnet.data.stored_images import StoredImages


def _images(count: int = 10, shape: tuple[int, int, int] = (6, 5, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


class ImageSetTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.pixels = _images()
        self.labels = np.arange(10) % 3
        self.set = image_sets.from_arrays("ten", self.pixels, self.labels)

    def test_knows_its_size(self):
        self.assertLen(self.set, 10)
        self.assertEqual(self.set.image_shape, (6, 5, 3))
        self.assertEqual(self.set.labels.dtype, np.int64)
        self.assertFalse(self.set.is_poisoned)

    def test_reads_in_the_order_asked_for_with_repeats(self):
        np.testing.assert_array_equal(self.set.images([7, 0, 7]), self.pixels[[7, 0, 7]])
        np.testing.assert_array_equal(self.set.images(), self.pixels)
        np.testing.assert_array_equal(self.set.images(self.labels == 1), self.pixels[self.labels == 1])
        self.assertEqual(self.set.images([]).shape, (0, 6, 5, 3))

    def test_what_is_read_can_be_changed_without_harm(self):
        self.set.images()[:] = 0
        np.testing.assert_array_equal(self.set.images(), self.pixels)

    def test_batches_cover_everything_once(self):
        batches = list(self.set.batches(4))
        self.assertEqual([len(images) for images, _ in batches], [4, 4, 2])
        np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), self.pixels)
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), self.labels)

    def test_batches_follow_indices(self):
        [(images, labels)] = self.set.batches(4, [9, 2])
        np.testing.assert_array_equal(images, self.pixels[[9, 2]])
        np.testing.assert_array_equal(labels, self.labels[[9, 2]])

    def test_refuses_indices_outside(self):
        for indices in ([10], [-1]):
            with self.assertRaises(IndexError):
                self.set.images(indices)
        with self.assertRaises(IndexError):
            self.set.images(np.ones(9, bool))

    def test_subset_of_subset_carries_everything_along(self):
        landmarks = np.random.default_rng(1).uniform(0, 5, (10, 4, 2)).astype(np.float32)
        whole = image_sets.from_arrays(
            "ten", self.pixels, self.labels, ["a", "b", "c"], true_labels=2 - self.labels, landmarks=landmarks
        )
        part = whole.subset([8, 1, 3, 5]).subset([2, 0], name="two")
        np.testing.assert_array_equal(part.images(), self.pixels[[3, 8]])
        np.testing.assert_array_equal(part.labels, self.labels[[3, 8]])
        assert part.true_labels is not None and part.landmarks is not None
        np.testing.assert_array_equal(part.true_labels, 2 - self.labels[[3, 8]])
        np.testing.assert_array_equal(part.landmarks, landmarks[[3, 8]])
        self.assertEqual(part.class_names, ("a", "b", "c"))
        self.assertEqual(part.name, "two")
        self.assertTrue(part.is_poisoned)

    def test_in_memory_is_the_same_set_in_an_array_or_a_file(self):
        slow = resizable(self.set)
        part = slow.subset([4, 2])
        for most, kind in ((10**6, image_sets.ArraySource), (100, StoredImages)):
            held = part.in_memory(most)
            self.assertIsInstance(held.source, kind)
            np.testing.assert_array_equal(held.images(), self.pixels[[4, 2]])
            np.testing.assert_array_equal(held.images([1, 0, 1]), self.pixels[[2, 4, 2]])
            self.assertIs(held.in_memory(1), held)
        with mock.patch.object(image_sets, "room_for", return_value=False), self.assertLogs(level="WARNING") as logs:
            self.assertIs(part.in_memory(100), part)
        self.assertIn("ten: the temporary folder has no room", logs.output[0])

    def test_rounds_floats_on_the_right_scale(self):
        floats = np.full((2, 4, 4, 1), 127.6, np.float32)
        floats[0, 0, 0, 0] = 255.3  # a rounding error of a resize
        images = image_sets.from_arrays("floats", floats, [0, 1]).images()
        self.assertEqual(images.dtype, np.uint8)
        self.assertEqual(images[0, 0, 0, 0], 255)
        self.assertEqual(images[1, 0, 0, 0], 128)

    def test_takes_floats_from_0_to_1_and_grey_images_without_an_axis(self):
        images = image_sets.from_arrays("floats", self.pixels[..., 0].astype(np.float32) / 255, self.labels).images()
        np.testing.assert_array_equal(images, self.pixels[..., :1])

    def test_refuses_floats_on_another_scale(self):
        for wrong in (self.pixels / 127.5 - 1, self.pixels * 2.0, self.pixels * np.nan):
            with self.assertRaisesRegex(InputError, "floats: .*expected uint8, or floats"):
                image_sets.from_arrays("floats", wrong, self.labels)

    def test_refuses_labels_that_are_not_class_numbers(self):
        for labels, complaint in (
            (1 - np.eye(3)[self.labels], "one-hot"),
            (self.labels - 1, "is -1"),
            (self.labels + 0.5, "0.5"),
            (self.labels * np.nan, "nan"),
            (self.labels + 10**12, "whole numbers from 0"),
            (self.labels[:9], "9 labels for 10 images"),
            (self.labels.astype(str), "type"),
            (self.labels.astype(object), "type"),
        ):
            with self.assertRaisesRegex(InputError, complaint):
                image_sets.from_arrays("ten", self.pixels, labels)

    def test_refuses_what_does_not_fit_together(self):
        with self.assertRaisesRegex(InputError, "no images"):
            image_sets.from_arrays("none", self.pixels[:0], [])
        with self.assertRaisesRegex(InputError, "2 channels"):
            image_sets.from_arrays("two", self.pixels[..., :2], self.labels)
        with self.assertRaisesRegex(InputError, "class names"):
            image_sets.from_arrays("ten", self.pixels, self.labels, ["a", "b"])
        for landmarks in (np.zeros((9, 2, 2)), np.full((10, 2, 2), np.inf), np.full((10, 2, 2), 1e20)):
            with self.assertRaisesRegex(InputError, "landmarks"):
                image_sets.from_arrays("ten", self.pixels, self.labels, landmarks=landmarks)


if __name__ == "__main__":
    absltest.main()
