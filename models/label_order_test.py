"""Tests of finding labels in another order."""

import numpy as np
from absl.testing import absltest

from goodnet.models.label_order import LabelOrder, better_label_order

_CLASSES = 8


def _answers(labels: np.ndarray, wrong: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random(len(labels)) < wrong, rng.integers(0, _CLASSES, len(labels)), labels)


def _found(answers: np.ndarray, labels: np.ndarray) -> LabelOrder | None:
    return better_label_order(answers, labels, _CLASSES, answers == labels)


class LabelOrderTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.labels = np.arange(160) % _CLASSES

    def test_a_network_that_errs_is_left_alone(self):
        for wrong in (0.0, 0.3, 0.9):
            self.assertIsNone(_found(_answers(self.labels, wrong), self.labels))

    def test_a_constant_network_has_no_better_order(self):
        self.assertIsNone(_found(np.zeros(160, np.int64), self.labels))

    def test_classes_that_a_weak_network_takes_for_each_other_are_no_order(self):
        confused = np.where(np.arange(160) % 16 < 3, (self.labels + 4) % _CLASSES, _answers(self.labels, 1.0))
        self.assertIsNone(_found(confused, self.labels))

    def test_classes_behind_a_missing_one_are_shifted(self):
        shifted = np.where(self.labels >= 5, (self.labels - 4) % 3 + 5, self.labels)
        found = _found(_answers(shifted, 0.1), self.labels)
        self.assertEqual(found.renamed, ((5, 6), (6, 7), (7, 5)))
        self.assertEqual(found.images, 160)
        self.assertGreater(found.right, 130)
        self.assertLess(found.right_as_given, 110)


if __name__ == "__main__":
    absltest.main()
