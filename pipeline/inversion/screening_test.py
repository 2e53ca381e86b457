"""Tests of which labels are suspects, given how small their triggers are."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.screening import Screening
from pipeline.inversion.suspicious import RankedTrigger
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import InvertedWarp
from pipeline.inversion.waves import InvertedWave


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


if __name__ == "__main__":
    absltest.main()
