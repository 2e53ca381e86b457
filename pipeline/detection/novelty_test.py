from unittest import mock

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.pipeline.detection import novelty


def _noise(count: int, seed: int) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), np.uint8)
    return from_arrays(f"noise {seed}", pixels, np.arange(count) % 2)


class NoveltyTest(absltest.TestCase):
    def test_of_a_large_set_some_images_are_fitted_to_and_all_are_measured(self):
        fit, calibrate = _noise(300, 1), _noise(700, 2)
        whole = novelty.fit_novelty(fit, calibrate, seed=0)
        rows: list[int] = []

        def counted(batches, bank):
            found = statistics(batches, bank)
            rows.append(len(found))
            return found

        statistics = novelty.statistics
        with mock.patch.object(novelty, "_MOST_IMAGES", 200), mock.patch.object(novelty, "statistics", counted):
            some = novelty.fit_novelty(fit, calibrate, seed=0)
        # What is held at once does not grow with the set.
        self.assertEqual(rows, [200, 200, 200, 200, 100])
        self.assertLen(some.calibrate, 700)
        # Of images that it was not fitted to, novelty is about as large either way.
        self.assertAlmostEqual(float(np.median(some.calibrate) / np.median(whole.calibrate)), 1, delta=0.5)
        self.assertTrue(np.isfinite(some.calibrate).all())


if __name__ == "__main__":
    absltest.main()
