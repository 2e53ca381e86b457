"""Tests of the drawn signs."""

import numpy as np
from absl.testing import absltest

from bench.shapes import draw_shapes


class ShapesTest(absltest.TestCase):
    def test_the_seed_decides_and_parts_differ(self):
        first = draw_shapes(12, 2, seed=3, part=0)
        np.testing.assert_array_equal(first.images(), draw_shapes(12, 2, seed=3, part=0).images())
        self.assertFalse(np.array_equal(first.images(), draw_shapes(12, 2, seed=3, part=1).images()))
        self.assertEqual(first.image_shape, (32, 32, 3))
        np.testing.assert_array_equal(np.bincount(first.labels), np.full(12, 2))

    def test_classes_look_different_from_each_other(self):
        many = draw_shapes(10, 30, seed=1, part=0)
        means = np.stack([many.images(np.flatnonzero(many.labels == label)).mean(axis=0) for label in range(10)])
        apart = np.abs(means[:, None] - means[None]).mean(axis=(2, 3, 4))
        self.assertGreater(apart[~np.eye(10, dtype=bool)].min(), 2.0)


if __name__ == "__main__":
    absltest.main()
