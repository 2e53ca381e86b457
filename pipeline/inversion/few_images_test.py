"""Tests of the variants of few images."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.pipeline.inversion.few_images import with_variants


class FewImagesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        pixels = np.random.default_rng(0).integers(0, 256, (5, 20, 16, 3), dtype=np.uint8)
        self.images = from_arrays("five", pixels, np.array([4, 8, 15, 16, 23]))

    def test_the_images_come_first_and_variants_keep_their_labels(self):
        more = with_variants(self.images, 17, seed=1)
        self.assertLen(more, 17)
        np.testing.assert_array_equal(more.images(range(5)), self.images.images())
        np.testing.assert_array_equal(more.labels[5:10], self.images.labels)
        self.assertLen({image.tobytes() for image in more.images()}, 17)
        np.testing.assert_array_equal(more.images(), with_variants(self.images, 17, seed=1).images())

    def test_a_variant_still_shows_its_image(self):
        smooth = np.linspace(0, 255, 20)[:, None, None].repeat(16, axis=1).repeat(3, axis=2).astype(np.uint8)
        more = with_variants(from_arrays("one", smooth[None], np.array([0])), 30, seed=0).images()
        for variant in more[1:].astype(float):
            self.assertGreater(np.corrcoef(variant.ravel(), smooth.ravel())[0, 1], 0.9)

    def test_enough_images_stay_as_they_are(self):
        self.assertIs(with_variants(self.images, 5, seed=0), self.images)


if __name__ == "__main__":
    absltest.main()
