import numpy as np
from absl.testing import absltest

from goodnet.pipeline.measuring.evaluation import MeasuredSet, evaluate_sets
from goodnet.pipeline.measuring.predictions import StagePredictions
from goodnet.pipeline.reporting.tables import format_table, format_worst_classes

_COUNT = 12_345


def _stages(*labels: np.ndarray, classes: int = 1283) -> tuple[StagePredictions, ...]:
    badnet, pruned, repaired, detector = labels
    return (
        StagePredictions("badnet", badnet),
        StagePredictions("pruned", pruned),
        StagePredictions("repaired", repaired),
        StagePredictions("detector", detector, np.zeros(len(detector), np.float32), classes),
    )


def _evaluation(name: str = "sunglasses"):
    true = np.arange(_COUNT) % 1282 + 1
    target = np.zeros(_COUNT, np.int64)
    flagged = np.where(np.arange(_COUNT) < 11_000, 1283, true)
    return evaluate_sets(
        [
            MeasuredSet("clean_test", None, true, None, False, _stages(true, true, true, true)),
            MeasuredSet(name, None, target, true, True, _stages(target, target, true, flagged)),
            MeasuredSet("weak", None, target, None, True, _stages(true, true, true, flagged)),
        ]
    )


class TableTest(absltest.TestCase):
    def test_fits_a_hundred_columns_with_large_sets(self):
        for line in format_table(_evaluation()).splitlines():
            self.assertLessEqual(len(line), 100, line)

    def test_figures_have_counts_and_intervals(self):
        text = format_table(_evaluation())
        self.assertIn("100.0 % [100.0, 100.0] (12345/12345)", text)
        self.assertIn("12345 images of other classes", text)
        self.assertRegex(
            text, r"detector +0\.0 % \[0\.0, 0\.0\] 0 +10\.9 % \[10\.4, 11\.5\] 1345 +89\.1 % \[88\.5, 89\.6\] 11000"
        )
        self.assertIn("flagged or right 100.0 %", text)

    def test_worst_classes_are_named_with_their_counts_and_answers(self):
        labels = np.array([1, 1, 2, 2, 2, 3])
        answers = np.array([1, 1, 3, 3, 2, 3])
        evaluation = evaluate_sets(
            [MeasuredSet("clean", None, labels, None, False, (StagePredictions("badnet", answers),))]
        )
        self.assertEqual(
            format_worst_classes(evaluation),
            "clean: most misclassified classes (images, most common answer)\n  badnet     2 (2/3, 3)",
        )
        for line in format_worst_classes(_evaluation()).splitlines():
            self.assertLessEqual(len(line), 100, line)

    def test_weak_and_unknown_are_marked(self):
        text = format_table(_evaluation())
        self.assertIn("true labels unknown, all 12345 images counted\n  WEAK: ", text)
        self.assertRegex(text, r"repaired +1 strong")
        self.assertRegex(text, r"repaired +1 weak")

    def test_a_name_cannot_drive_the_terminal(self):
        text = format_table(_evaluation("x\x1b[31m\nclean_test: clean, 9 images"))
        self.assertNotIn("\x1b", text)
        self.assertIn("x[31m clean_test: clean, 9 images: poisoned", text)

    def test_attack_success_is_not_named_for_a_clean_set(self):
        labels = np.arange(5)
        clean = MeasuredSet("given", None, labels, None, False, (StagePredictions("badnet", labels),))
        text = format_table(evaluate_sets([clean]))
        self.assertNotIn("attack", text)
        self.assertNotIn("flagged", text)
        self.assertIn("accuracy on the given labels", text)


if __name__ == "__main__":
    absltest.main()
