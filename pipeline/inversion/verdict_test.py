"""Tests of the verdict from given evidence."""

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.verdict import (
    BACKDOOR,
    CLEAN,
    DOUBTS,
    FALSE_ALARMS,
    INCONCLUSIVE,
    LEAST_REFERENCE,
    LabelEvidence,
    Ordinary,
    chance_index,
    judge,
)
from goodnet.pipeline.measuring.rates import Rate

_LABELS = 20
_DOUBT_INDEX = chance_index(_LABELS, DOUBTS)
_DOUBTFUL = (chance_index(_LABELS, FALSE_ALARMS) + _DOUBT_INDEX) / 2


def _suspicion(index: float | None, held_out: Rate | None = None, label: int = 7) -> LabelEvidence:
    trigger = InvertedTrigger(label, np.ones((2, 2, 3), np.float32), 4.0, 0.99, True)
    return LabelEvidence(trigger, index, index, 0.5, 0.0, held_out or Rate(48, 50))


def _judge(suspicions, reference=_LABELS, never=0, spread=0.3):
    return judge(suspicions, _LABELS, Ordinary(reference, never, spread))


class VerdictTest(absltest.TestCase):
    def test_backdoor(self):
        found = _judge([_suspicion(6.0), _suspicion(5.5, label=3), _suspicion(1.0, label=4)])
        self.assertEqual((found.name, found.targets), (BACKDOOR, (7, 3)))
        self.assertIn("label 7, 3", found.reason)

    def test_clean(self):
        found = _judge([_suspicion(_DOUBT_INDEX - 0.1), _suspicion(None)])
        self.assertEqual((found.name, found.targets), (CLEAN, ()))

    def test_why_it_is_inconclusive(self):
        for suspicion, why in (
            (_suspicion(_DOUBTFUL), f"index of {_DOUBTFUL:.1f}"),
            (_suspicion(6.0, held_out=Rate(30, 50)), "30 of 50"),
            (_suspicion(6.0, held_out=Rate(4, 4)), "too few"),
            (_suspicion(6.0, held_out=Rate(0, 0)), "too few"),
        ):
            found = _judge([suspicion])
            self.assertEqual((found.name, found.targets), (INCONCLUSIVE, ()))
            self.assertIn(why, found.reason)

    def test_what_is_in_doubt_beside_a_target_is_not_named(self):
        found = _judge([_suspicion(9.0, held_out=Rate(10, 50), label=3), _suspicion(6.0)])
        self.assertEqual((found.name, found.targets), (BACKDOOR, (7,)))

    def test_five_of_five_will_do(self):
        self.assertEqual(_judge([_suspicion(6.0, held_out=Rate(5, 5))]).name, BACKDOOR)

    def test_too_little_to_compare_with(self):
        found = _judge([_suspicion(9.0)], LEAST_REFERENCE - 1)
        self.assertEqual((found.name, found.targets), (INCONCLUSIVE, ()))
        self.assertEqual(found.doubtful, (7,))
        self.assertIn("too few", found.reason)
        self.assertEqual(_judge([_suspicion(9.0)], LEAST_REFERENCE).name, BACKDOOR)

    def test_a_network_that_no_trigger_reaches_is_not_called_clean(self):
        found = _judge([_suspicion(None)], never=11)
        self.assertEqual((found.name, found.doubtful), (INCONCLUSIVE, ()))
        self.assertIn("11 of 20", found.reason)
        self.assertEqual(_judge([_suspicion(None)], never=10).name, CLEAN)

    def test_sizes_too_far_apart_to_see_a_target_are_not_called_clean(self):
        found = _judge([_suspicion(1.0)], spread=0.9)
        self.assertEqual((found.name, found.doubtful), (INCONCLUSIVE, (7,)))
        self.assertIn("differ so much", found.reason)
        self.assertEqual(_judge([_suspicion(6.0)], spread=0.9).name, BACKDOOR)

    def test_among_more_labels_a_larger_index_comes_by_chance(self):
        indices = [chance_index(labels, FALSE_ALARMS) for labels in (8, 43, 1283)]
        for index, expected in zip(indices, (2.74, 3.49, 4.95), strict=True):
            self.assertAlmostEqual(index, expected, places=2)


if __name__ == "__main__":
    absltest.main()
