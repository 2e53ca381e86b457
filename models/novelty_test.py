"""Tests of novelty: one distance, whether computed by NumPy's arrays, a Keras model or a file that was loaded."""

import os

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.models.legacy_keras import keras, tf
from goodnet.models.novelty import FilterBank, Novelty, component_count, is_novelty, novelty_of, scale_count, statistics


def _novelty(shape: tuple[int, int, int], count: int = 12) -> Novelty:
    rng = np.random.default_rng(0)
    size = min(5, *shape[:2])
    counts = [count] * shape[2] + [2] * (component_count(shape[2]) - shape[2])
    colours = rng.normal(size=(shape[2], len(counts))).astype(np.float32)
    bank = FilterBank(colours, tuple((rng.normal(size=(size, size, one)) / 100).astype(np.float32) for one in counts))
    found = statistics([rng.integers(0, 256, (40, *shape))], bank)
    whitening = rng.normal(size=(found.shape[1],) * 2).astype(np.float32)
    return Novelty(bank, found.mean(axis=0), found.std(axis=0) + np.float32(0.1), whitening, 0.25)


class NoveltyTest(parameterized.TestCase):
    @parameterized.parameters(((32, 32, 3),), ((20, 48, 1),), ((4, 6, 3),), ((100, 90, 3),))
    def test_is_the_same_as_a_model_and_from_a_file(self, *shape):
        shape = shape[0]
        novelty = _novelty(shape)
        images = np.random.default_rng(1).integers(0, 256, (7, *shape)).astype(np.float32)
        expected = novelty.distance(tf.constant(images)).numpy()
        self.assertEqual(expected.shape, (7,))
        path = os.path.join(self.create_tempdir().full_path, "novelty.h5")
        novelty.layer(shape).save(path)
        loaded = keras.models.load_model(path)
        self.assertTrue(is_novelty(loaded, shape))
        self.assertFalse(is_novelty(loaded, (shape[0] + 8, *shape[1:])))
        np.testing.assert_allclose(loaded(images).numpy(), expected, rtol=1e-3)
        np.testing.assert_allclose(novelty_of(loaded).distance(tf.constant(images)).numpy(), expected, rtol=1e-3)

    def test_scales_are_halved_until_little_is_left(self):
        self.assertEqual(scale_count((32, 40, 3)), 3)
        self.assertEqual(scale_count((4, 9, 3)), 1)

    def test_a_flat_image_has_finite_statistics(self):
        novelty = _novelty((16, 16, 3))
        self.assertTrue(np.isfinite(statistics([np.zeros((1, 16, 16, 3), np.uint8)], novelty.bank)).all())


if __name__ == "__main__":
    absltest.main()
