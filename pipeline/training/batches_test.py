"""Tests of seeded batches."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.models.input_scale import SYMMETRIC_SCALE, UNIT_SCALE
from goodnet.pipeline.training.batches import Batches


def _numbered(count: int) -> np.ndarray:
    """Images that carry their number in every pixel."""
    return np.repeat(np.arange(count, dtype=np.uint8), 6 * 5 * 3).reshape(count, 6, 5, 3)


class BatchesTest(absltest.TestCase):
    def _read(self, batches: Batches, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = zip(*batches.epoch(epoch).as_numpy_iterator(), strict=True)
        return np.concatenate(images), np.concatenate(labels)

    def test_an_epoch_holds_every_image_once_with_its_label(self):
        images = from_arrays("numbers", _numbered(50), np.arange(50))
        batches = Batches(images, UNIT_SCALE, batch_size=16, seed=3)
        values, labels = self._read(batches, 0)
        self.assertEqual(batches.steps_per_epoch, 4)
        np.testing.assert_array_equal(np.sort(labels), np.arange(50))
        np.testing.assert_allclose(values[:, 0, 0, 0] * 255, labels, atol=1e-4)

    def test_the_order_follows_from_seed_and_epoch(self):
        images = from_arrays("numbers", _numbered(50), np.arange(50))
        first = self._read(Batches(images, UNIT_SCALE, 16, seed=3), 1)[1]
        np.testing.assert_array_equal(first, self._read(Batches(images, UNIT_SCALE, 16, seed=3), 1)[1])
        self.assertFalse(np.array_equal(first, self._read(Batches(images, UNIT_SCALE, 16, seed=3), 2)[1]))
        self.assertFalse(np.array_equal(first, self._read(Batches(images, UNIT_SCALE, 16, seed=4), 1)[1]))

    def test_pixels_are_on_the_models_scale(self):
        images = from_arrays("white", np.full((2, 4, 4, 3), 255, np.uint8), np.zeros(2, np.int64))
        np.testing.assert_allclose(self._read(Batches(images, SYMMETRIC_SCALE, 2, seed=0), 0)[0], 1.0)


if __name__ == "__main__":
    absltest.main()
