"""Tests of arrays that become image sets."""

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.legacy_keras import tf
from goodnet.pipeline.api.given_images import class_numbers, given_set, unlabelled

_IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


class GivenImagesTest(absltest.TestCase):
    def test_pixels_of_any_type_are_the_same_images(self):
        of_types = [_IMAGES.astype(dtype) for dtype in (np.uint8, np.float32, np.int64)]
        for images in (*of_types, _IMAGES.tolist(), tf.constant(_IMAGES), _IMAGES / 255, _IMAGES.transpose(0, 3, 1, 2)):
            found = given_set("images", images, [0, 1])
            np.testing.assert_array_equal(found.images(), _IMAGES)
            self.assertEqual(found.images().dtype, np.uint8)

    def test_labels_of_any_form_are_the_same_numbers(self):
        numbers = np.array([2, 0, 1])
        one_hot = np.eye(3)[numbers]
        for labels in (numbers, numbers[:, None], numbers[None], numbers.astype(float), one_hot, one_hot.astype(bool)):
            found = class_numbers(labels, 3, "labels")
            np.testing.assert_array_equal(found, numbers)
            self.assertEqual(found.dtype, np.int64)

    def test_sets_and_paths_pass(self):
        image_set = from_arrays("mine", _IMAGES, [0, 1])
        self.assertIs(given_set("images", image_set, None), image_set)
        self.assertEqual(given_set("images", "a.h5", None), "a.h5")
        self.assertIsInstance(unlabelled("images", _IMAGES), ImageSet)

    def test_what_is_wrong_is_named(self):
        for call, line in (
            (lambda: given_set("test", _IMAGES, [0]), "test, labels: 1 labels for 2 images"),
            (lambda: given_set("images", _IMAGES / 60, [0, 1]), "images: floats from 0 to 1.58.*neither clearly"),
            (lambda: given_set("images", _IMAGES - 300.0, [0, 1]), "images: pixels from -300"),
            (lambda: given_set("images", _IMAGES.astype(object), [0, 1]), "images: pixels of type object"),
            (lambda: given_set("images", _IMAGES[..., :2], [0, 1]), "images: the shape is .*expected N x C x H x W"),
            (lambda: unlabelled("images", 3), "images: the shape is \\[\\]"),
            (lambda: class_numbers([[0, 0], [0, 1]], 2, "labels"), "labels: .*one-hot labels, but"),
            (lambda: class_numbers([[1, np.nan], [0, 1]], 2, "labels"), "labels: .*one-hot labels, but"),
            (lambda: class_numbers(["a", "b"], 2, "labels"), "labels: the labels are of type"),
        ):
            with self.subTest(line), self.assertRaisesRegex(InputError, f"^{line}"):
                call()


if __name__ == "__main__":
    absltest.main()
