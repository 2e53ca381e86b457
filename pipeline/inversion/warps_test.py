"""Tests of the inversion of warps, on a network that answers with how far an image was moved."""

import numpy as np
from absl.testing import absltest

from data.image_set import ImageSet, from_arrays
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras, tf
from pipeline.inversion.warps import InvertedWarp, WarpSettings, _warped, invert_warps

_SIDE = 16
_TARGET = 2


def _bright_column(count: int) -> ImageSet:
    """Images that are brightest in the middle column and ever darker beside it, with labels that say nothing."""
    profile = 220 - 25 * np.abs(np.arange(_SIDE) - 7)
    images = np.broadcast_to(profile[None, None, :, None], (count, _SIDE, _SIDE, 3)).astype(np.uint8)
    return from_arrays("column", images, np.arange(count) % 2)


def _network() -> keras.Model:
    """Label 2 where column 6 is brighter than 7, so where the image is moved by a pixel to the left; else label 0."""
    weights = np.zeros((_SIDE, _SIDE, 3, 4), np.float32)
    weights[:, 7, :, 0] = 0.5
    weights[:, 6, :, _TARGET] = 0.5
    model = keras.Sequential([keras.layers.Flatten(input_shape=(_SIDE, _SIDE, 3)), keras.layers.Dense(4)])
    model.set_weights([weights.reshape(-1, 4), np.zeros(4, np.float32)])
    return model


class WarpsTest(absltest.TestCase):
    def test_the_graph_warps_as_the_stamp_does(self):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (3, 9, 11, 3), np.uint8)
        displacement = rng.uniform(-3, 3, (2, 9, 11, 2)).astype(np.float32)
        in_graph = _warped(tf.constant(images, tf.float32), tf.constant(displacement)).numpy()
        for number in range(2):
            stamped = InvertedWarp(0, displacement[number], 1.0).stamp(images)
            np.testing.assert_allclose(in_graph[number], stamped, atol=0.51)

    def test_it_finds_the_planted_displacement(self):
        clean = _bright_column(24)
        settings = WarpSettings(steps=80, batch_size=12)
        found = invert_warps(_network(), clean, UNIT_SCALE, [1, _TARGET], settings)
        unreachable, planted = found
        self.assertEqual(unreachable.success, 0)
        self.assertGreaterEqual(planted.success, 0.9)
        self.assertGreater(planted.displacement[:, 6, 0].mean(), 0.5)
        answers = _network()(UNIT_SCALE.apply(planted.stamp(clean.images()))).numpy().argmax(axis=1)
        self.assertGreater((answers == _TARGET).mean(), 0.9)
        self.assertAlmostEqual(planted.size, np.sqrt((planted.displacement**2).sum(axis=2).mean()), places=5)


if __name__ == "__main__":
    absltest.main()
