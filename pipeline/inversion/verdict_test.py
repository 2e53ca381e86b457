"""Tests of the verdict from given evidence."""

from dataclasses import replace

import numpy as np
from absl.testing import absltest

from pipeline.inversion.confirming import Confirmation
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.verdict import BACKDOOR, BLEND, CLEAN, INCONCLUSIVE, PATCH, Ordinary, Suspicion, judge
from pipeline.measuring.rates import Rate

_PATCHES = Ordinary(PATCH, reference=20, censored=1, median_size=60.0, alarm_index=5.0, doubt_index=4.0)
_BLENDS = replace(_PATCHES, family=BLEND)
_NONE = Rate(0, 0)


def _suspicion(index, held_out=None, own=_NONE, exaggerated=_NONE, family=PATCH, label=7) -> Suspicion:
    trigger = InvertedTrigger(label, np.ones((2, 2, 1), np.float32), np.zeros((2, 2, 3), np.float32), 1.0)
    confirmation = Confirmation(held_out or Rate(48, 50), own, exaggerated, 0.1)
    return Suspicion(family, trigger, 4.0, index, confirmation)


def _judge(*suspicions):
    return judge(suspicions, (_PATCHES, _BLENDS))


class VerdictTest(absltest.TestCase):
    def test_backdoor(self):
        found = _judge(_suspicion(6.0, own=Rate(3, 100)), _suspicion(5.5, family=BLEND, label=3), _suspicion(2.0))
        self.assertEqual((found.name, found.targets), (BACKDOOR, (7, 3)))
        self.assertIn("patch and blend", found.reason)

    def test_clean(self):
        self.assertEqual(_judge(_suspicion(3.9), _suspicion(None)).name, CLEAN)

    def test_why_it_is_inconclusive(self):
        for suspicion, why in (
            (_suspicion(4.5), "index of 4.5"),
            (_suspicion(6.0, held_out=Rate(30, 50)), "30 of 50"),
            (_suspicion(6.0, held_out=Rate(4, 4)), "too few"),
            (_suspicion(6.0, own=Rate(80, 100)), "show there leads to it too: a natural feature"),
            (_suspicion(6.0, own=Rate(3, 100), exaggerated=Rate(50, 99)), "exaggerated, leads to it too: a natural"),
        ):
            found = _judge(suspicion)
            self.assertEqual((found.name, found.targets), (INCONCLUSIVE, ()))
            self.assertIn(why, found.reason)

    def test_a_natural_feature_beside_a_target_is_not_named(self):
        natural = _suspicion(9.0, exaggerated=Rate(80, 99), label=3)
        found = _judge(natural, _suspicion(6.0, exaggerated=Rate(3, 99)))
        self.assertEqual((found.name, found.targets), (BACKDOOR, (7,)))

    def test_five_of_five_will_do(self):
        self.assertEqual(_judge(_suspicion(6.0, held_out=Rate(5, 5))).name, BACKDOOR)

    def test_too_little_to_compare_with(self):
        for poor, why in (
            (replace(_PATCHES, reference=7, censored=0), "too few .* a patch of 4.0 pixels leads 48 of 50 held-out"),
            (replace(_PATCHES, censored=11), "to compare with"),
        ):
            found = judge([_suspicion(9.0)], (poor, _BLENDS))
            self.assertEqual((found.name, found.targets), (INCONCLUSIVE, ()))
            self.assertRegex(found.reason, why)


if __name__ == "__main__":
    absltest.main()
