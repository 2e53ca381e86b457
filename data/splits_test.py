import os

import numpy as np
from absl.testing import absltest

from goodnet.data import hdf5, splits
from goodnet.data import image_set as image_sets
from goodnet.data.errors import InputError


def _set(labels: np.ndarray) -> image_sets.ImageSet:
    """A set whose images hold their own position, so that parts can be compared."""
    positions = np.arange(len(labels), dtype=np.uint32)
    pixels = np.zeros((len(labels), 1, 4, 1), np.uint8)
    pixels[:, 0, :, 0] = positions[:, None].view(np.uint8).reshape(-1, 4)
    return image_sets.from_arrays("numbered", pixels, labels)


def _positions(part: image_sets.ImageSet) -> np.ndarray:
    return np.ascontiguousarray(part.images()[:, 0, :, 0]).view(np.uint32)[:, 0]


class SplitsTest(absltest.TestCase):
    def check(self, labels: np.ndarray, seed: int = 0) -> splits.CleanSplit:
        """Asserts what holds for every split, and returns it."""
        split = splits.split_clean(_set(labels), seed)
        parts = [_positions(part) for part in (split.fit, split.calibrate, split.report)]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
        for part, positions in zip((split.fit, split.calibrate, split.report), parts, strict=True):
            np.testing.assert_array_equal(part.labels, labels[positions])
        np.testing.assert_array_equal(np.unique(split.fit.labels), np.unique(labels))
        return split

    def shares(self, split: splits.CleanSplit) -> np.ndarray:
        sizes = np.array([len(split.fit), len(split.calibrate), len(split.report)])
        return sizes / sizes.sum()

    def test_large_classes_are_split_exactly(self):
        labels = np.repeat([0, 3, 9], [100, 200, 40])
        split = self.check(labels)
        for part, fraction in ((split.fit, 0.7), (split.calibrate, 0.15), (split.report, 0.15)):
            np.testing.assert_allclose(np.bincount(part.labels)[[0, 3, 9]], fraction * np.array([100, 200, 40]))

    def test_totals_are_right_where_classes_are_small(self):
        for size in (2, 3, 4, 5, 7, 9):
            labels = np.repeat(np.arange(300), size)
            np.testing.assert_allclose(self.shares(self.check(labels)), [0.70, 0.15, 0.15], atol=0.005)

    def test_larger_classes_make_up_for_single_images(self):
        labels = np.concatenate([np.arange(100), np.repeat(np.arange(100, 300), 4)])
        np.testing.assert_allclose(self.shares(self.check(labels)), [0.70, 0.15, 0.15], atol=0.01)

    def test_uneven_classes_at_random(self):
        rng = np.random.default_rng(0)
        for seed in range(20):
            labels = rng.permutation(np.repeat(np.arange(40), rng.integers(1, 30, 40)))
            split = self.check(labels, seed)
            np.testing.assert_allclose(self.shares(split), [0.70, 0.15, 0.15], atol=0.03)
            sizes = np.bincount(labels)
            counts = np.bincount(split.fit.labels, minlength=40)
            self.assertLessEqual(np.abs(counts - 0.7 * sizes).max(), 2)

    def test_the_seed_decides(self):
        labels = np.repeat(np.arange(5), 20)
        first, again, other = (splits.split_clean(_set(labels), seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(_positions(first.report), _positions(again.report))
        self.assertFalse(np.array_equal(_positions(first.report), _positions(other.report)))

    def test_other_fractions(self):
        split = splits.split_clean(_set(np.repeat(np.arange(10), 50)), 0, (0.5, 0.3, 0.2))
        np.testing.assert_allclose(self.shares(split), [0.5, 0.3, 0.2])
        for wrong in ((0.5, 0.3, 0.3), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1)):
            with self.assertRaises(ValueError):
                splits.split_clean(_set(np.zeros(9, int)), 0, wrong)

    def test_too_few_images(self):
        for labels in (np.arange(50), np.zeros(2, int)):
            with self.assertRaisesRegex(InputError, "numbered: .* too few to split"):
                splits.split_clean(_set(labels), 0)

    def test_gtsrb(self):
        shared = os.environ.get("SHARED_DATA")
        if not shared:
            return self.skipTest("SHARED_DATA does not name the folder with GTSRB in the CSAW layout")
        clean = hdf5.read_hdf5(os.path.join(shared, "gtsrb", "clean_validation.h5"))
        split = splits.split_clean(clean, 0)
        np.testing.assert_allclose(self.shares(split), [0.70, 0.15, 0.15], atol=0.001)
        self.assertLen(np.unique(split.fit.labels), 43)


if __name__ == "__main__":
    absltest.main()
