"""Tests of which labels are suspects, given how small their triggers are, and of the searches that say so."""

import os
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from models.input_scale import UNIT_SCALE
from pipeline.inversion.keeping import kept_found
from pipeline.inversion.narrowband import NarrowbandSettings
from pipeline.inversion.screening import Screening, ScreeningSettings, screen_labels
from pipeline.inversion.search import InversionSettings
from pipeline.inversion.search_test import TARGET, bright_rows, planted_network
from pipeline.inversion.shortlist import ShortlistSettings
from pipeline.inversion.suspicious import RankedTrigger
from pipeline.inversion.tournament import TournamentSettings
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp, WarpSettings
from pipeline.inversion.waves import InvertedWave, WaveSettings


def _family(uniform: bool, *indices: float) -> tuple[RankedTrigger, ...]:
    """Labels 0, 1, ... with falling indices."""
    mask, pattern = np.ones((4, 4, 1), np.float32), np.zeros((4, 4, 3), np.float32)
    return tuple(
        RankedTrigger(InvertedTrigger(label, mask, pattern, 1.0, uniform), index) for label, index in enumerate(indices)
    )


def _warp(label: int, pixels: float) -> InvertedWarp:
    return InvertedWarp(label, np.full((4, 4, 2), pixels, np.float32), 1.0)


def _wave(label: int, success: float) -> InvertedWave:
    return InvertedWave(label, 2, 3, 0.0, 40.0, success, 4, 4)


class SuspectsTest(absltest.TestCase):
    def _suspects(self, patches=(), blends=(), warps=(), waves=(), narrowband=()):
        screening = Screening(
            _family(False, *patches),
            _family(True, *blends),
            tuple(warps),
            0.98,
            tuple(waves),
            tuple(narrowband),
            frozenset(),
            chance_index=4.3,
            beyond_chance=max((*patches, *blends), default=0) >= 4.3,
        )
        found = screening.suspects(most=3, least_index=3.0, most_displacement=1.5)
        return [(one.trigger.kind, one.trigger.label) for one in found]

    def test_a_family_gives_its_first_three_from_the_least_index_on(self):
        self.assertEqual(self._suspects(patches=(4.0, 3.9, 3.8, 3.7)), [("patch", 0), ("patch", 1), ("patch", 2)])
        self.assertEqual(self._suspects(patches=(2.0, 1.0), blends=(3.5, 2.9)), [("blended pattern", 0)])

    def test_a_pattern_that_chance_explains_is_none_beside_a_trigger_that_it_does_not(self):
        self.assertEqual(
            self._suspects(patches=(11.7, 3.1), blends=(4.4, 4.1)), [("patch", 0), ("patch", 1), ("blended pattern", 0)]
        )

    def test_without_any_suspect_the_smallest_patch_is_taken(self):
        self.assertEqual(self._suspects(patches=(2.8, 1.9), blends=(2.1,)), [("patch", 0)])

    def test_of_too_few_labels_every_patch_and_pattern_that_works_is_a_suspect(self):
        fails = RankedTrigger(replace(_family(False, 0.0)[0].trigger, label=9, success=0.5), 0.0)
        screening = Screening(
            (*_family(False, 0.7, -0.7), fails),
            _family(True, 0.7, -0.7),
            (_warp(1, 0.5), _warp(0, 9.0)),
            0.98,
            (_wave(0, 0.9),),
            (),
            frozenset(),
            chance_index=np.inf,
            beyond_chance=False,
        )
        found = screening.all_suspects(most=3, most_displacement=1.5)
        self.assertEqual(
            [(one.trigger.kind, one.trigger.label) for one in found],
            [("patch", 0), ("patch", 1), ("blended pattern", 0), ("blended pattern", 1), ("warp", 1), ("wave", 0)],
        )
        self.assertTrue(all(one.anomaly_index is None for one in found))

    def test_waves_are_of_the_label_most_given_to_them_and_of_its_like_beside_what_else_there_is(self):
        waves = [_wave(7, 0.7), _wave(7, 0.69), _wave(8, 0.64), _wave(9, 0.6), _wave(7, 0.55)]
        self.assertEqual(
            self._suspects(patches=(2.0,), waves=waves), [("patch", 0), *[("wave", label) for label in (7, 7, 8, 7)]]
        )

    def test_a_wave_that_chance_explains_is_none_beside_a_trigger_that_it_does_not(self):
        self.assertEqual(self._suspects(patches=(11.7,), waves=[_wave(7, 0.7)]), [("patch", 0)])
        waves = [_wave(7, 0.8), _wave(8, 0.74), _wave(7, 0.6)]
        self.assertEqual(self._suspects(patches=(11.7,), waves=waves), [("patch", 0), ("wave", 7), ("wave", 7)])
        self.assertEqual(self._suspects(patches=(3.5,), waves=[_wave(7, 0.7)]), [("patch", 0), ("wave", 7)])

    def test_a_wave_does_not_make_a_pattern_less_of_a_suspect(self):
        self.assertEqual(
            self._suspects(patches=(3.5,), blends=(4.0,), waves=[_wave(7, 0.8)]),
            [("patch", 0), ("blended pattern", 0), ("wave", 7)],
        )

    def test_beside_a_warp_waves_are_suspects_only_if_certain_and_of_other_labels(self):
        waves = [_wave(7, 0.8), _wave(9, 0.78), _wave(8, 0.74)]
        self.assertEqual(self._suspects(warps=[_warp(7, 0.5)], waves=waves), [("warp", 7), ("wave", 9)])

    def test_narrowband_waves_are_where_nothing_else_is_certain(self):
        narrowband = [_wave(7, 0.5), _wave(9, 0.5)]
        self.assertEqual(
            self._suspects(patches=(3.5,), waves=[_wave(7, 0.8)], narrowband=narrowband),
            [("patch", 0), ("wave", 7), ("wave", 9)],
        )
        self.assertEqual(self._suspects(patches=(11.7,), narrowband=narrowband), [("patch", 0)])
        self.assertEqual(self._suspects(warps=[_warp(5, 0.5)], narrowband=narrowband), [("warp", 5)])

    def test_a_warp_is_one_by_its_displacement(self):
        self.assertEqual(self._suspects(patches=(2.0,), warps=[_warp(5, 0.5), _warp(6, 3.0)]), [("warp", 5)])


def _screening(shortlist: ShortlistSettings) -> ScreeningSettings:
    return ScreeningSettings(
        InversionSettings(steps=60, batch_size=8, learning_rate=0.3),
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
        self.assertEqual(screening.patches[0].trigger.label, TARGET)
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
        self.assertContainsSubset({TARGET, *screening.reference}, inverted)
        self.assertLess(len(inverted), 6)
        self.assertEqual(screening.patches[0].trigger.label, TARGET)


class TwoSearchesTest(absltest.TestCase):
    """Of triggers that were searched before, each family in its file."""

    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.keep("waves", InvertedWave, [])
        self.keep("warps", InvertedWarp, [])
        self.keep("blends", InvertedTrigger, [_sized(label, 40 + label, uniform=True) for label in range(6)])
        self.keep("patches", InvertedTrigger, [_sized(label, 30 + label) for label in range(6)])

    def keep(self, name, kind, found):
        path = os.path.join(self.folder, f"{name}.npz")
        if os.path.exists(path):
            os.remove(path)
        kept_found(path, kind, lambda: found)

    def screen(self, chance: float = 0.01) -> Screening:
        settings = replace(_screening(ShortlistSettings()), chance=chance)
        return screen_labels(planted_network(), bright_rows(48), UNIT_SCALE, 6, settings, self.folder)

    def narrowband_was_sought(self) -> bool:
        return os.path.exists(os.path.join(self.folder, "narrowband.npz"))

    def test_the_smallest_of_both_counts_and_only_the_first_is_beyond_chance(self):
        more = [_sized(label, 50 + label) for label in range(6) for _ in range(2)]
        more[2 * TARGET + 1] = _sized(TARGET, 1)
        self.keep("more_patches", InvertedTrigger, more)
        screening = self.screen()
        sizes = {one.trigger.label: one.trigger.size for one in screening.patches}
        self.assertEqual(sizes, {**{label: 30 + label for label in range(6)}, TARGET: 1})
        self.assertGreater(screening.patches[0].anomaly_index, screening.chance_index)
        self.assertFalse(screening.beyond_chance)
        self.assertTrue(self.narrowband_was_sought())

    def test_a_second_target_beside_one_that_stands_out_is_a_suspect_though_the_first_search_missed_it(self):
        self.keep("patches", InvertedTrigger, [_sized(label, 1 if label == TARGET else 30) for label in range(6)])
        more = [_sized(label, 2 if label == 4 else 50) for label in range(6) for _ in range(2)]
        self.keep("more_patches", InvertedTrigger, more)
        screening = self.screen()
        self.assertTrue(screening.beyond_chance)
        self.assertFalse(self.narrowband_was_sought())
        suspects = screening.suspects(most=3, least_index=3.0, most_displacement=1.5)
        self.assertEqual([one.trigger.label for one in suspects], [TARGET, 4])

    def test_the_second_search_starts_elsewhere_and_twice(self):
        os.remove(os.path.join(self.folder, "patches.npz"))
        self.screen()
        first, more = (
            kept_found(os.path.join(self.folder, f"{name}.npz"), InvertedTrigger, list)
            for name in ("patches", "more_patches")
        )
        self.assertEqual([trigger.label for trigger in first], list(range(6)))
        self.assertEqual([trigger.label for trigger in more], [label for label in range(6) for _ in range(2)])
        for label in range(6):
            masks = [trigger.mask for trigger in (*first, *more) if trigger.label == label]
            self.assertLen({mask.tobytes() for mask in masks}, 3)

    def test_a_pattern_is_beyond_chance_too(self):
        self.keep("blends", InvertedTrigger, [_sized(label, 40 - 39 * (label == 3), True) for label in range(6)])
        self.keep("more_patches", InvertedTrigger, [_sized(label, 50) for label in range(6) for _ in range(2)])
        self.assertTrue(self.screen().beyond_chance)


def _sized(label: int, pixels: float, uniform: bool = False) -> InvertedTrigger:
    mask = np.full((8, 8, 1), pixels / 64, np.float32)
    return InvertedTrigger(label, mask, np.zeros((8, 8, 3), np.float32), 1.0, uniform)


if __name__ == "__main__":
    absltest.main()
