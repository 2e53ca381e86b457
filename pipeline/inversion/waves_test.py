"""Tests of the search of waves, on a network that resonates with one."""

import numpy as np
from absl.testing import absltest

from data.image_set import ImageSet, from_arrays
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.waves import InvertedWave, WaveSettings, find_waves

_SIDE = 16
_TARGET = 2
_DOWN, _ACROSS = -2, 3
_SETTINGS = WaveSettings(most_periods=4, first_images=12, more_images=30)


def _noise(count: int) -> ImageSet:
    images = np.random.default_rng(0).normal(128, 12, (count, _SIDE, _SIDE, 3)).clip(0, 255).astype(np.uint8)
    return from_arrays("noise", images, np.arange(count) % 2)


def _network() -> keras.Model:
    """Label 2 where the sine of one wave stands out of the image, label 3 of a fainter one; else label 0."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE] / _SIDE
    weights = np.zeros((_SIDE, _SIDE, 3, 4), np.float32)
    weights[..., _TARGET] = np.sin(2 * np.pi * (_DOWN * rows + _ACROSS * columns))[..., None]
    weights[..., 3] = 0.05 * np.sin(2 * np.pi * 4 * rows)[..., None]
    model = keras.Sequential([keras.layers.Flatten(input_shape=(_SIDE, _SIDE, 3)), keras.layers.Dense(4)])
    model.set_weights([weights.reshape(-1, 4), np.array([20, -9, 0, 0], np.float32)])
    return model


class WavesTest(absltest.TestCase):
    def test_it_finds_the_wave_that_the_network_resonates_with(self):
        clean = _noise(60)
        found = find_waves(_network(), clean, UNIT_SCALE, _SETTINGS)
        self.assertEqual({wave.label for wave in found}, {_TARGET})
        best = found[0]
        self.assertEqual((best.down, best.across, best.height, best.width), (_DOWN, _ACROSS, _SIDE, _SIDE))
        self.assertLess(abs(best.phase), 0.13)
        answers = _network()(UNIT_SCALE.apply(best.stamp(clean.images()))).numpy().argmax(axis=1)
        self.assertGreaterEqual((answers == _TARGET).mean(), 0.9)
        self.assertGreaterEqual(best.success, 0.9)

    def test_a_network_that_answers_to_no_wave_has_none(self):
        model = _network()
        kernel, bias = model.get_weights()
        model.set_weights([kernel, np.add(bias, [1000, 0, 0, 0])])
        self.assertEqual(find_waves(model, _noise(60), UNIT_SCALE, _SETTINGS), ())

    def test_few_and_tiny_images_will_do(self):
        images = np.full((3, 3, 3, 1), 100, np.uint8)
        model = keras.Sequential([keras.layers.Flatten(input_shape=(3, 3, 1)), keras.layers.Dense(2)])
        for wave in find_waves(model, from_arrays("tiny", images, np.array([0, 1, 0])), UNIT_SCALE, WaveSettings()):
            self.assertLessEqual(max(abs(wave.down), wave.across), 1)

    def test_a_stamp_is_the_wave_it_says_clipped(self):
        images = np.array([0, 128, 255], np.uint8)[:, None, None, None] * np.ones((1, 4, 8, 3), np.uint8)
        stamped = InvertedWave(0, 0, 2, 0.0, 40.0, 1.0, 4, 8).stamp(images)
        self.assertEqual(stamped.dtype, np.float32)
        np.testing.assert_allclose(stamped[1, 0, :4, 0], [128, 168, 128, 88], atol=1e-3)
        np.testing.assert_allclose(stamped[0, 3, :4, 2], [0, 40, 0, 0], atol=1e-3)
        np.testing.assert_allclose(stamped[2, 1, :4, 1], [255, 255, 255, 215], atol=1e-3)


if __name__ == "__main__":
    absltest.main()
