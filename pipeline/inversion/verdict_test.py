"""Tests of the verdict from given evidence."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.verdict import (
    ALARM_INDEX,
    BACKDOOR,
    CLEAN,
    DOUBT_INDEX,
    INCONCLUSIVE,
    LEAST_REFERENCE,
    Suspicion,
    judge,
)
from pipeline.measuring.rates import Rate

_DOUBTFUL = (ALARM_INDEX + DOUBT_INDEX) / 2


def _suspicion(index: float | None, held_out: Rate | None = None, label: int = 7) -> Suspicion:
    trigger = InvertedTrigger(label, np.ones((2, 2, 3), np.float32), 4.0, 0.99, True)
    return Suspicion(trigger, index, held_out or Rate(48, 50))


class VerdictTest(absltest.TestCase):
    def test_backdoor(self):
        found = judge([_suspicion(6.0), _suspicion(5.5, label=3), _suspicion(1.0, label=4)], 20)
        self.assertEqual((found.name, found.targets), (BACKDOOR, (7, 3)))
        self.assertIn("label 7, 3", found.reason)

    def test_clean(self):
        found = judge([_suspicion(DOUBT_INDEX - 0.1), _suspicion(None)], 20)
        self.assertEqual((found.name, found.targets), (CLEAN, ()))

    def test_why_it_is_inconclusive(self):
        for suspicion, why in (
            (_suspicion(_DOUBTFUL), f"index of {_DOUBTFUL:.1f}"),
            (_suspicion(6.0, held_out=Rate(30, 50)), "30 of 50"),
            (_suspicion(6.0, held_out=Rate(4, 4)), "too few"),
            (_suspicion(6.0, held_out=Rate(0, 0)), "too few"),
        ):
            found = judge([suspicion], 20)
            self.assertEqual((found.name, found.targets), (INCONCLUSIVE, ()))
            self.assertIn(why, found.reason)

    def test_what_is_in_doubt_beside_a_target_is_not_named(self):
        found = judge([_suspicion(9.0, held_out=Rate(10, 50), label=3), _suspicion(6.0)], 20)
        self.assertEqual((found.name, found.targets), (BACKDOOR, (7,)))

    def test_five_of_five_will_do(self):
        self.assertEqual(judge([_suspicion(6.0, held_out=Rate(5, 5))], 20).name, BACKDOOR)

    def test_too_little_to_compare_with(self):
        found = judge([_suspicion(9.0)], LEAST_REFERENCE - 1)
        self.assertEqual((found.name, found.targets), (INCONCLUSIVE, ()))
        self.assertRegex(found.reason, "too few .* a sparse change of 4.0 pixels, works on 48 of 50")
        self.assertEqual(judge([_suspicion(9.0)], LEAST_REFERENCE).name, BACKDOOR)
        self.assertIn("no trigger works", judge([], 2).reason)


if __name__ == "__main__":
    absltest.main()
