"""Tests of trigger inversion on a network whose trigger is known: one pixel that leads to label 2."""

from dataclasses import replace

import numpy as np
from absl.testing import absltest

from data.image_set import ImageSet, from_arrays
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.narrowband import NarrowbandSettings
from pipeline.inversion.screening import Screening, ScreeningSettings, screen_labels
from pipeline.inversion.search import BestStarts, InversionSettings, invert_from_best_starts, invert_triggers
from pipeline.inversion.shortlist import ShortlistSettings
from pipeline.inversion.tournament import TournamentSettings
from pipeline.inversion.warps import WarpSettings
from pipeline.inversion.waves import WaveSettings

_TARGET = 2
_SETTINGS = InversionSettings(steps=120, batch_size=8, learning_rate=0.3)


def planted_network(classes: int = 6) -> keras.Model:
    """Tells apart which row is bright; a bright last pixel overrules it in favour of label 2."""
    weights = np.zeros((8, 8, 3, classes), np.float32)
    for label in range(classes):
        weights[label, :, :, label] = 1.0
    weights[7, 7, :, _TARGET] = 20.0
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
        (trigger,) = invert_triggers(planted_network(), clean, UNIT_SCALE, [_TARGET], settings)
        self.assertGreaterEqual(trigger.success, 0.98)
        self.assertLess(trigger.size, 8)
        self.assertEqual(np.unravel_index(trigger.mask.argmax(), (8, 8)), (7, 7))
        others = clean.images(np.flatnonzero(clean.labels != _TARGET))
        answers = planted_network()(UNIT_SCALE.apply(np.rint(trigger.stamp(others)))).numpy().argmax(axis=1)
        self.assertGreater((answers == _TARGET).mean(), 0.9)

    def test_a_labels_own_images_do_not_count(self):
        only_own = bright_rows(48).subset(np.flatnonzero(bright_rows(48).labels == _TARGET))
        (trigger,) = invert_triggers(planted_network(), only_own, UNIT_SCALE, [_TARGET], replace(_SETTINGS, steps=5))
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
        labels = [_TARGET] * tried + [0] * tried
        early, late = (
            invert_triggers(*search, labels, replace(_SETTINGS, steps=steps)) for steps in (30, _SETTINGS.steps)
        )
        expected = [
            late[number]
            for first in (0, tried)
            for number in sorted(range(first, first + tried), key=lambda number: early[number].size)[:2]
        ]
        found = invert_from_best_starts(*search, [_TARGET, 0], _SETTINGS, BestStarts(tried, 2, 30))
        self.assertEqual([trigger.label for trigger in found], [_TARGET, _TARGET, 0, 0])
        for trigger, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(trigger.mask, wanted.mask, atol=1e-3)

    def test_what_is_found_of_a_label_does_not_depend_on_the_others(self):
        search = (planted_network(), bright_rows(48), UNIT_SCALE)
        short = replace(_SETTINGS, steps=20)
        (alone,) = invert_triggers(*search, [3], short)
        among = invert_triggers(*search, [1, 3, 3, 5], short)
        np.testing.assert_allclose(among[1].mask, alone.mask, atol=1e-3)
        self.assertGreater(np.abs(among[2].mask - alone.mask).max(), 0.1)


def _screening(shortlist: ShortlistSettings) -> ScreeningSettings:
    return ScreeningSettings(
        replace(_SETTINGS, steps=60),
        WarpSettings(steps=5),
        WaveSettings(most_periods=1),
        NarrowbandSettings(),
        TournamentSettings(grain=1),
        shortlist,
    )


class ScreeningTest(absltest.TestCase):
    def test_the_planted_label_comes_first_and_is_not_inverted_twice(self):
        folder = self.create_tempdir().full_path
        arguments = (bright_rows(48), UNIT_SCALE, 6, _screening(ShortlistSettings()), folder)
        screening = screen_labels(planted_network(), *arguments)
        self.assertEqual(screening.patches[0].trigger.label, _TARGET)
        first = screening.patches[0]
        self.assertAlmostEqual(screening.size_at(first.anomaly_index, False) / first.trigger.size, 1, places=5)
        self.assertGreater(screening.size_at(first.anomaly_index - 1, uniform=False), first.trigger.size)

        forgetful = planted_network()
        forgetful.set_weights([np.zeros_like(weight) for weight in forgetful.get_weights()])
        kept = screen_labels(forgetful, *arguments)
        np.testing.assert_array_equal(kept.patches[0].trigger.mask, screening.patches[0].trigger.mask)
        self.assertEqual(kept.patches[0].anomaly_index, screening.patches[0].anomaly_index)

    def test_of_many_labels_the_promising_ones_are_inverted_and_some_to_compare_with(self):
        settings = _screening(ShortlistSettings(above=4, least_promising=1, reference=2))
        folder = self.create_tempdir().full_path
        screening = screen_labels(planted_network(), bright_rows(48), UNIT_SCALE, 6, settings, folder)
        self.assertLen(screening.reference, 2)
        inverted = {ranked.trigger.label for ranked in screening.patches}
        self.assertContainsSubset({_TARGET, *screening.reference}, inverted)
        self.assertLess(len(inverted), 6)
        self.assertEqual(screening.patches[0].trigger.label, _TARGET)

    def test_where_nothing_stands_out_the_smallest_of_several_searches_counts(self):
        search = (planted_network(), bright_rows(48), UNIT_SCALE, 6)
        once = replace(_screening(ShortlistSettings()), inversion=replace(_SETTINGS, steps=20))
        sure = screen_labels(*search, replace(once, chance=1.0), self.create_tempdir().full_path)
        self.assertTrue(sure.beyond_chance)
        doubted = screen_labels(*search, replace(once, chance=0.0), self.create_tempdir().full_path)
        self.assertFalse(doubted.beyond_chance)

        def sizes(screening: Screening) -> dict[int, float]:
            works = (one.trigger for one in screening.patches if one.trigger.success >= screening.success)
            return {trigger.label: trigger.size for trigger in works}

        first, smallest = sizes(sure), sizes(doubted)
        self.assertIn(_TARGET, first)
        self.assertContainsSubset(first, smallest)
        self.assertTrue(all(smallest[label] <= first[label] for label in first))
        self.assertTrue(any(smallest[label] < first[label] for label in first))


if __name__ == "__main__":
    absltest.main()
