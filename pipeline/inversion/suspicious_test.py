"""Tests of which of a label's triggers counts."""

import numpy as np
from absl.testing import absltest

from pipeline.inversion.suspicious import smallest_of_each
from pipeline.inversion.trigger import InvertedTrigger

_SUCCESS = 0.98


def _trigger(label: int, size: int, success: float = 1.0) -> InvertedTrigger:
    mask = np.zeros((4, 4, 1), np.float32)
    mask.flat[:size] = 1
    return InvertedTrigger(label, mask, np.zeros((4, 4, 3), np.float32), success, uniform=False)


class SmallestOfEachTest(absltest.TestCase):
    def _sizes(self, *triggers: InvertedTrigger) -> list[tuple[int, float]]:
        return [(trigger.label, trigger.size) for trigger in smallest_of_each(triggers, _SUCCESS)]

    def test_the_smallest_counts_label_by_label(self):
        found = self._sizes(_trigger(3, 5), _trigger(1, 4), _trigger(3, 2), _trigger(1, 6))
        self.assertEqual(found, [(3, 2), (1, 4)])

    def test_one_that_works_counts_before_a_smaller_one_that_does_not(self):
        self.assertEqual(self._sizes(_trigger(3, 2, 0.5), _trigger(3, 9)), [(3, 9)])
        self.assertEqual(self._sizes(_trigger(3, 9), _trigger(3, 2, 0.5)), [(3, 9)])

    def test_where_none_works_the_most_successful_counts(self):
        self.assertEqual(self._sizes(_trigger(3, 2, 0.1), _trigger(3, 9, 0.5)), [(3, 9)])


if __name__ == "__main__":
    absltest.main()
