"""Tests of augmentation."""

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.pipeline.training.augmentation import Augmentation, light, shift, zoom


def _noise(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 9, 8, 3), dtype=np.uint8)


class AugmentationTest(parameterized.TestCase):
    def test_every_image_moves_by_its_own_whole_pixels(self):
        images = _noise()
        moved = shift(images, 2, np.random.default_rng(1))
        padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
        offsets = set()
        for index in range(len(images)):
            found = [
                (down, right)
                for down in range(5)
                for right in range(5)
                if np.array_equal(moved[index], padded[index, down : down + 9, right : right + 8])
            ]
            self.assertLen(found, 1)
            offsets.update(found)
        self.assertGreater(len(offsets), 10)

    def test_zoom_keeps_the_middle_and_moves_the_edge_by_no_more_than_its_share(self):
        ramp = np.broadcast_to(np.arange(0, 210, 10, dtype=np.uint8)[None, :, None, None], (60, 21, 21, 1))
        rows = zoom(ramp, 0.2, np.random.default_rng(0))[:, :, 0, 0].astype(int) // 10
        np.testing.assert_array_equal(rows[:, 10], 10)
        self.assertLessEqual(np.abs(rows - np.arange(21)).max(), 2)
        self.assertGreater(len(np.unique(rows, axis=0)), 3)
        self.assertGreaterEqual(np.diff(rows, axis=1).min(), 0)

    def test_light_is_one_factor_an_image_and_never_wraps_around(self):
        images = _noise()
        lit = light(images, 0.3, np.random.default_rng(0))
        factors = []
        for before, after in zip(images.astype(int), lit.astype(int), strict=True):
            inside = (before > 60) & (after < 255)
            share = after[inside] / before[inside]
            self.assertLess(np.ptp(share), 0.03)
            factors.append(share.mean())
            self.assertTrue((after >= np.floor(0.7 * before)).all())
        self.assertBetween(min(factors), 0.69, 0.8)
        self.assertBetween(max(factors), 1.2, 1.31)

    @parameterized.parameters(Augmentation(), Augmentation(2), Augmentation(2, 0.1, 0.2))
    def test_the_same_numbers_give_the_same_images(self, augmentation):
        images = _noise()
        before = images.copy()
        first, second = (augmentation(images, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(images, before)
        self.assertEqual((first.shape, first.dtype), (images.shape, np.uint8))
        self.assertEqual(np.array_equal(first, images), augmentation == Augmentation())


if __name__ == "__main__":
    absltest.main()
