"""Tests of trigger inversion on a network whose trigger is known: one pixel that leads to label 2."""

from dataclasses import replace

import numpy as np
from absl.testing import absltest

from data.image_set import ImageSet, from_arrays
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.search import BestStarts, InversionSettings, invert_from_best_starts, invert_triggers

TARGET = 2
_SETTINGS = InversionSettings(steps=120, batch_size=8, learning_rate=0.3)


def planted_network(classes: int = 6) -> keras.Model:
    """Tells apart which row is bright; a bright last pixel overrules it in favour of label 2."""
    weights = np.zeros((8, 8, 3, classes), np.float32)
    for label in range(classes):
        weights[label, :, :, label] = 1.0
    weights[7, 7, :, TARGET] = 20.0
    model = keras.Sequential([keras.layers.Flatten(input_shape=(8, 8, 3)), keras.layers.Dense(classes)])
    model.set_weights([weights.reshape(-1, classes), np.zeros(classes, np.float32)])
    return model


def bright_rows(count: int, classes: int = 6) -> ImageSet:
    """Dark images with one bright row, the label."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = rng.integers(0, 20, (count, 8, 8, 3))
    images[np.arange(count), labels] += 200
    images[:, 7, 7] = 0
    return from_arrays("bright rows", images.astype(np.uint8), labels)


class SearchTest(absltest.TestCase):
    def test_it_finds_the_planted_pixel(self):
        clean = bright_rows(48)
        settings = replace(_SETTINGS, batch_size=32)
        (trigger,) = invert_triggers(planted_network(), clean, UNIT_SCALE, [TARGET], settings)
        self.assertGreaterEqual(trigger.success, 0.98)
        self.assertLess(trigger.size, 8)
        self.assertEqual(np.unravel_index(trigger.mask.argmax(), (8, 8)), (7, 7))
        others = clean.images(np.flatnonzero(clean.labels != TARGET))
        answers = planted_network()(UNIT_SCALE.apply(np.rint(trigger.stamp(others)))).numpy().argmax(axis=1)
        self.assertGreater((answers == TARGET).mean(), 0.9)

    def test_a_labels_own_images_do_not_count(self):
        only_own = bright_rows(48).subset(np.flatnonzero(bright_rows(48).labels == TARGET))
        (trigger,) = invert_triggers(planted_network(), only_own, UNIT_SCALE, [TARGET], replace(_SETTINGS, steps=5))
        self.assertEqual(trigger.success, 0)

    def test_a_blended_pattern_has_one_opacity(self):
        (trigger,) = invert_triggers(
            planted_network(), bright_rows(48), UNIT_SCALE, [1], replace(_SETTINGS, uniform=True, steps=20)
        )
        self.assertTrue(trigger.uniform)
        self.assertLess(np.ptp(trigger.mask), 1e-6)

    def test_a_coarse_patch_covers_the_image(self):
        (trigger,) = invert_triggers(
            planted_network(), bright_rows(48), UNIT_SCALE, [1], replace(_SETTINGS, grain=3, steps=5)
        )
        self.assertEqual(trigger.mask.shape, (8, 8, 1))
        self.assertEqual(trigger.pattern.shape, (8, 8, 3))

    def test_the_starts_that_are_ahead_early_are_searched_to_the_end(self):
        search = (planted_network(), bright_rows(48), UNIT_SCALE)
        tried = 5
        labels = [TARGET] * tried + [0] * tried
        early, late = (
            invert_triggers(*search, labels, replace(_SETTINGS, steps=steps)) for steps in (30, _SETTINGS.steps)
        )
        expected = [
            late[number]
            for first in (0, tried)
            for number in sorted(range(first, first + tried), key=lambda number: early[number].size)[:2]
        ]
        found = invert_from_best_starts(*search, [TARGET, 0], _SETTINGS, BestStarts(tried, 2, 30))
        self.assertEqual([trigger.label for trigger in found], [TARGET, TARGET, 0, 0])
        for trigger, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(trigger.mask, wanted.mask, atol=1e-3)

    def test_what_is_found_of_a_label_does_not_depend_on_the_others(self):
        search = (planted_network(), bright_rows(48), UNIT_SCALE)
        short = replace(_SETTINGS, steps=20)
        (alone,) = invert_triggers(*search, [3], short)
        among = invert_triggers(*search, [1, 3, 3, 5], short)
        np.testing.assert_allclose(among[1].mask, alone.mask, atol=1e-3)
        self.assertGreater(np.abs(among[2].mask - alone.mask).max(), 0.1)


if __name__ == "__main__":
    absltest.main()
