import math

import numpy as np
from absl.testing import absltest

from goodnet.pipeline.measuring import metrics
from goodnet.pipeline.measuring.rates import Rate


def _labels(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class AttackTest(absltest.TestCase):
    # Target 7; the third image is of the target's own class. N = 10 is "backdoor".
    targets = _labels(7, 7, 7, 7, 7)
    true_labels = _labels(1, 2, 7, 3, 4)

    def test_success_leaves_out_the_targets_own_class(self):
        answers = _labels(7, 2, 7, 7, 9)
        self.assertEqual(metrics.attack_success(self.targets, self.true_labels, answers), Rate(2, 4))
        self.assertEqual(metrics.robust_accuracy(self.targets, self.true_labels, answers), Rate(1, 4))

    def test_without_true_labels_all_images_count(self):
        self.assertEqual(metrics.attack_success(self.targets, None, _labels(7, 2, 7, 7, 9)), Rate(3, 5))

    def test_flagged_images_are_neither_success_nor_robust_but_safe(self):
        answers = _labels(10, 2, 10, 7, 9)
        counted = metrics.attackable(self.targets, self.true_labels)
        self.assertEqual(metrics.attack_success(self.targets, self.true_labels, answers), Rate(1, 4))
        self.assertEqual(metrics.robust_accuracy(self.targets, self.true_labels, answers), Rate(1, 4))
        self.assertEqual(metrics.flagged(answers, 10, counted), Rate(1, 4))
        self.assertEqual(metrics.safe(self.targets, self.true_labels, answers, 10), Rate(2, 4))

    def test_every_image_may_have_its_own_target(self):
        self.assertEqual(metrics.attack_success(_labels(1, 2, 3), _labels(0, 0, 0), _labels(1, 1, 3)), Rate(2, 3))

    def test_weak_is_below_ninety_percent(self):
        self.assertTrue(metrics.is_weak(Rate(89, 100)))
        self.assertFalse(metrics.is_weak(Rate(90, 100)))

    def test_most_attacked_counts_by_true_class(self):
        targets = _labels(7, 7, 7, 7, 7, 7)
        found = metrics.most_attacked(targets, _labels(1, 1, 2, 2, 7, 3), _labels(7, 7, 7, 2, 7, 3), k=5)
        self.assertEqual([(share.label, share.rate) for share in found], [(1, Rate(2, 2)), (2, Rate(1, 2))])
        self.assertEqual({share.most_common_answer for share in found}, {7})


class CleanTest(absltest.TestCase):
    def test_accuracy_counts_a_detectors_flag_as_wrong(self):
        self.assertEqual(metrics.clean_accuracy(_labels(0, 1, 2, 3), _labels(0, 1, 4, 2)), Rate(2, 4))

    def test_lengths_must_agree(self):
        with self.assertRaises(ValueError):
            metrics.clean_accuracy(_labels(0, 1), _labels(0))

    def test_most_misclassified(self):
        labels = _labels(*[0] * 10, *[1] * 10, *[2] * 10, 3)
        answers = _labels(*[0] * 10, *[1] * 7, 5, 4, 4, *[2] * 4, *[0] * 6, 9)
        found = metrics.most_misclassified(labels, answers, k=2)
        self.assertEqual([(share.label, share.rate) for share in found], [(2, Rate(6, 10)), (3, Rate(1, 1))])
        self.assertEqual(found[0].most_common_answer, 0)
        third = metrics.most_misclassified(labels, answers, k=9)[2]
        self.assertEqual((third.label, third.rate, third.most_common_answer), (1, Rate(3, 10), 4))

    def test_a_single_image_does_not_outrank_a_class_that_is_mostly_wrong(self):
        labels = _labels(*[0] * 60, 1)
        found = metrics.most_misclassified(labels, _labels(*[2] * 40, *[0] * 20, 2), k=2)
        self.assertEqual([share.label for share in found], [0, 1])

    def test_most_lost(self):
        labels = _labels(*[0] * 10, *[1] * 10, *[2] * 10, *[3] * 10)
        before = _labels(*[0] * 10, *[1] * 5, *[9] * 5, *[2] * 4, *[9] * 6, *[3] * 10)
        after = _labels(*[0] * 8, *[9] * 2, *[1] * 5, *[0] * 5, *[2] * 10, *[3] * 3, *[10] * 7)
        found = [(loss.label, loss.before, loss.after) for loss in metrics.most_lost(labels, before, after, k=9)]
        self.assertEqual(found, [(3, Rate(10, 10), Rate(3, 10)), (0, Rate(10, 10), Rate(8, 10))])
        self.assertAlmostEqual(metrics.most_lost(labels, before, after, k=1)[0].lost, 0.7)

    def test_classes_without_errors_are_not_named(self):
        self.assertEqual(metrics.most_misclassified(_labels(0, 1), _labels(0, 1), k=3), ())


class DefenseEffectivenessTest(absltest.TestCase):
    def test_cases(self):
        for before, after, accuracy_before, accuracy_after, expected in [
            (1.0, 0.0, 0.9, 0.9, 1.0),  # a perfect cure
            (1.0, 1.0, 0.9, 0.9, 0.5),  # nothing done
            (1.0, 0.0, 0.9, 0.8, 0.95),  # lost accuracy costs: the sign that one public implementation has wrong
            (0.5, 0.9, 0.9, 0.9, 0.5),  # a stronger attack is not counted below zero
            (1.0, 1.0, 0.9, 0.4, 0.25),  # only damage
            (1.0, 0.0, 0.9, 0.95, 1.0),  # gained accuracy is no bonus
        ]:
            found = metrics.defense_effectiveness(before, after, accuracy_before, accuracy_after)
            self.assertAlmostEqual(found, expected, msg=str((before, after, accuracy_before, accuracy_after)))

    def test_unknown_stays_unknown(self):
        self.assertTrue(math.isnan(metrics.defense_effectiveness(1.0, 0.0, math.nan, 0.9)))


class AurocTest(absltest.TestCase):
    def test_hand_computed(self):
        self.assertEqual(metrics.auroc(np.array([0.1, 0.2]), np.array([0.8, 0.9])), 1.0)
        self.assertEqual(metrics.auroc(np.array([0.8, 0.9]), np.array([0.1, 0.2])), 0.0)
        self.assertEqual(metrics.auroc(np.array([0.5, 0.5]), np.array([0.5, 0.5, 0.5])), 0.5)
        # Pairs (clean, poisoned): 0<1 yes, 0<1 yes, 1=1 half, 1=1 half, of four.
        self.assertEqual(metrics.auroc(np.array([0.0, 1.0]), np.array([1.0, 1.0])), 0.75)

    def test_equals_the_share_of_pairs(self):
        rng = np.random.default_rng(0)
        clean, poisoned = rng.integers(0, 9, 70) / 8, rng.integers(3, 12, 50) / 8
        wins = (poisoned[:, None] > clean[None]).mean() + 0.5 * (poisoned[:, None] == clean[None]).mean()
        self.assertAlmostEqual(metrics.auroc(clean, poisoned), wins, places=12)

    def test_equals_the_area_under_the_curve(self):
        rng = np.random.default_rng(1)
        clean, poisoned = rng.integers(0, 9, 70) / 8, rng.integers(3, 12, 50) / 8
        false_positive, true_positive = metrics.roc_curve(clean, poisoned)
        self.assertEqual((false_positive[0], true_positive[0]), (0.0, 0.0))
        self.assertEqual((false_positive[-1], true_positive[-1]), (1.0, 1.0))
        area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
        self.assertAlmostEqual(float(area(true_positive, false_positive)), metrics.auroc(clean, poisoned), places=12)

    def test_empty_side_is_unknown(self):
        self.assertTrue(math.isnan(metrics.auroc(np.array([]), np.array([0.3]))))


if __name__ == "__main__":
    absltest.main()
