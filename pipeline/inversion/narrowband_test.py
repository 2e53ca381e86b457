"""Tests of the search of narrowband waves, on a network that follows one of its own and another that follows many."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from data.image_set import ImageSet, from_arrays
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.narrowband import NarrowbandSettings, find_narrowband_waves
from pipeline.inversion.waves import WaveSettings, find_waves

_SIDE = 16
_TARGET, _BROAD = 2, 3
_DOWN, _ACROSS = -2, 3
_MANY = ((1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3))
_SETTINGS = WaveSettings(most_periods=4, first_images=12, more_images=30)
_NARROWBAND = NarrowbandSettings()


def _noise(count: int) -> ImageSet:
    images = np.random.default_rng(0).normal(128, 8, (count, _SIDE, _SIDE, 3)).clip(0, 255).astype(np.uint8)
    return from_arrays("noise", images, np.arange(count) % 2)


def _network(bias: float, broad: Sequence[tuple[int, int]] = _MANY) -> keras.Model:
    """Label 2 where one wave, between the usual phases, is strong enough; label 3 for any of several; else label 0.

    A wave of a amplitude adds 1.5 a to its label: 3 channels x 256 pixels / 2 / 255.
    """
    rows, columns = np.mgrid[:_SIDE, :_SIDE] / _SIDE
    weights = np.zeros((_SIDE, _SIDE, 3, 4), np.float32)
    weights[..., _TARGET] = np.sin(2 * np.pi * (_DOWN * rows + _ACROSS * columns + 0.125))[..., None]
    for down, across in broad:
        weights[..., _BROAD] += np.sin(2 * np.pi * (down * rows + across * columns))[..., None]
    model = keras.Sequential([keras.layers.Flatten(input_shape=(_SIDE, _SIDE, 3)), keras.layers.Dense(4)])
    model.set_weights([weights.reshape(-1, 4), np.array([bias, -9, 0, 0], np.float32)])
    return model


class NarrowbandTest(absltest.TestCase):
    def test_it_finds_the_strong_wave_of_one_frequency_and_no_label_that_answers_to_many(self):
        # Over 50 grey levels, which 80 between two of four phases would reach, and 40 do not.
        model, clean = _network(bias=78), _noise(60)
        self.assertEmpty(find_waves(model, clean, UNIT_SCALE, _SETTINGS))
        (wave,) = find_narrowband_waves(model, clean, UNIT_SCALE, _SETTINGS, _NARROWBAND)
        self.assertEqual((wave.label, wave.down, wave.across), (_TARGET, _DOWN, _ACROSS))
        self.assertLess(abs(wave.phase - 0.125), 0.13)
        # The faintest of 40, 50, ... 80 that half the images follow.
        self.assertEqual(wave.amplitude, 60)
        answers = model(UNIT_SCALE.apply(wave.stamp(clean.images()))).numpy().argmax(axis=1)
        self.assertGreaterEqual((answers == _TARGET).mean(), 0.9)

    def test_what_few_images_follow_is_none(self):
        model = _network(bias=130)
        self.assertEmpty(find_narrowband_waves(model, _noise(60), UNIT_SCALE, _SETTINGS, _NARROWBAND))

    def test_labels_of_the_fewest_frequencies_come_first_and_no_more_than_asked_for(self):
        model, clean = _network(bias=78, broad=((1, 0), (0, 2))), _noise(60)
        found = find_narrowband_waves(model, clean, UNIT_SCALE, _SETTINGS, _NARROWBAND)
        self.assertEqual([wave.label for wave in found], [_TARGET, _BROAD])
        one = replace(_NARROWBAND, labels=1)
        self.assertEqual(find_narrowband_waves(model, clean, UNIT_SCALE, _SETTINGS, one), found[:1])
        narrow = replace(_NARROWBAND, most_frequencies=1)
        self.assertEqual(find_narrowband_waves(model, clean, UNIT_SCALE, _SETTINGS, narrow), found[:1])

    def test_few_and_tiny_images_will_do(self):
        images = np.full((3, 3, 3, 1), 100, np.uint8)
        clean = from_arrays("tiny", images, np.array([0, 0, 0]))
        model = keras.Sequential([keras.layers.Flatten(input_shape=(3, 3, 1)), keras.layers.Dense(2)])
        # Brighter above than below: what only a wave of one period down is.
        weights = np.zeros((3, 3, 1, 2), np.float32)
        weights[0, ..., 1], weights[2, ..., 1] = 1, -1
        model.set_weights([weights.reshape(9, 2), np.array([0.5, 0], np.float32)])
        (wave,) = find_narrowband_waves(model, clean, UNIT_SCALE, WaveSettings(), _NARROWBAND)
        self.assertEqual((wave.label, abs(wave.down), wave.across), (1, 1, 0))


if __name__ == "__main__":
    absltest.main()
