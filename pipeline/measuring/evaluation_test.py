import dataclasses
import json

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.pipeline.measuring.evaluation import Evaluation, MeasuredSet, evaluate_sets, measured_set
from goodnet.pipeline.measuring.predictions import StagePredictions
from goodnet.pipeline.measuring.rates import Rate

_N = 10


def _clean(name: str = "test", correct=(95, 90), count: int = 100) -> MeasuredSet:
    labels = np.arange(count) % _N
    predictions = [
        StagePredictions(stage, np.where(np.arange(count) < right, labels, (labels + 1) % _N))
        for stage, right in zip(("badnet", "repaired"), correct, strict=True)
    ]
    detector = predictions[1].labels.copy()
    detector[:4] = _N
    suspicion = np.linspace(0, 0.5, count, dtype=np.float32)
    predictions.append(StagePredictions("detector", detector, suspicion, _N))
    return MeasuredSet(name, None, labels, None, False, tuple(predictions))


def _poisoned(name: str, before: int, after: int, true_labels: bool = True) -> MeasuredSet:
    """100 images with target 7, ten of them of class 7 themselves; `before` and `after` of the others fall to it."""
    true = np.arange(100) % _N
    others = np.flatnonzero(true != 7)
    badnet, repaired = true.copy(), true.copy()
    badnet[others[:before]] = 7
    repaired[others[:after]] = 7
    detector = repaired.copy()
    detector[others[:45]] = _N
    predictions = (
        StagePredictions("badnet", badnet),
        StagePredictions("repaired", repaired),
        StagePredictions("detector", detector, np.full(100, 0.5, np.float32), _N),
    )
    return MeasuredSet(name, f"/runs/{name}.h5", np.full(100, 7), true if true_labels else None, True, predictions)


class EvaluationTest(absltest.TestCase):
    def test_clean_figures(self):
        figures = evaluate_sets([_clean()]).sets[0]
        self.assertEqual((figures.kind, figures.images, figures.targets), ("clean", 100, ()))
        self.assertEqual(figures.stage("badnet").accuracy, Rate(95, 100))
        self.assertEqual(figures.stage("repaired").accuracy, Rate(90, 100))
        self.assertEqual(figures.stage("detector").accuracy, Rate(86, 100))
        self.assertEqual(figures.stage("detector").flagged, Rate(4, 100))
        self.assertIsNone(figures.stage("badnet").flagged)
        self.assertIsNone(figures.stage("badnet").attack_success)
        self.assertIsNone(figures.stage("pruned"))
        self.assertLen(figures.stage("badnet").worst_classes, 5)
        self.assertEqual(figures.stage("badnet").lost_classes, ())
        # Images 90 to 94, of classes 0 to 4, were right before; the detector also flags one of each of 0 to 3.
        lost = [(loss.label, loss.before, loss.after) for loss in figures.stage("repaired").lost_classes]
        self.assertEqual(lost, [(label, Rate(10, 10), Rate(9, 10)) for label in range(5)])
        lost = [(loss.label, loss.after.count) for loss in figures.stage("detector").lost_classes]
        self.assertEqual(lost, [(0, 8), (1, 8), (2, 8), (3, 8), (4, 9)])

    def test_poisoned_figures(self):
        figures = evaluate_sets([_clean(), _poisoned("patch", before=90, after=9)]).sets[1]
        self.assertEqual((figures.kind, figures.counted, figures.targets), ("poisoned", 90, (7,)))
        self.assertEqual(figures.strength, "strong")
        badnet, repaired, detector = figures.stages
        self.assertEqual(badnet.attack_success, Rate(90, 90))
        self.assertEqual(badnet.robust_accuracy, Rate(0, 90))
        self.assertIsNone(badnet.accuracy)
        self.assertIsNone(badnet.der)
        self.assertEqual(repaired.attack_success, Rate(9, 90))
        self.assertEqual(repaired.robust_accuracy, Rate(81, 90))
        self.assertAlmostEqual(repaired.der, (0.9 - 0.05 + 1) / 2)
        self.assertIsNone(repaired.safe)
        self.assertEqual(detector.attack_success, Rate(0, 90))
        self.assertEqual(detector.flagged, Rate(45, 90))
        self.assertEqual(detector.robust_accuracy, Rate(45, 90))
        self.assertEqual(detector.safe, Rate(90, 90))
        self.assertAlmostEqual(detector.der, (1.0 - 0.09 + 1) / 2)
        self.assertAlmostEqual(detector.auroc, 0.995)
        self.assertEqual(badnet.worst_classes[0].rate, Rate(10, 10))

    def test_without_true_labels(self):
        figures = evaluate_sets([_clean(), _poisoned("csaw", before=90, after=9, true_labels=False)]).sets[1]
        self.assertEqual(figures.kind, "poisoned without true labels")
        self.assertEqual(figures.stage("badnet").attack_success, Rate(100, 100))
        self.assertIsNone(figures.stage("repaired").robust_accuracy)
        self.assertIsNone(figures.stage("detector").safe)
        self.assertEqual(figures.stage("badnet").worst_classes, ())

    def test_a_set_is_poisoned_when_it_says_so_or_the_user_does(self):
        pixels, labels = np.zeros((4, 2, 2, 3), np.uint8), np.zeros(4, np.int64)
        plain = from_arrays("plain", pixels, labels)
        stamped = from_arrays("stamped", pixels, labels, true_labels=np.arange(4))
        self.assertFalse(measured_set(plain, []).poisoned)
        self.assertTrue(measured_set(plain, [], given_as_poisoned=True).poisoned)
        self.assertTrue(measured_set(stamped, []).poisoned)

    def test_weak_attacks_are_counted_apart(self):
        evaluation = evaluate_sets([_clean(), _poisoned("a", 90, 9), _poisoned("b", 90, 27), _poisoned("weak", 45, 0)])
        strong = next(one for one in evaluation.summaries if (one.stage, one.strength) == ("repaired", "strong"))
        self.assertEqual(strong.sets, 2)
        self.assertAlmostEqual(strong.mean_attack_success, 0.2)
        self.assertAlmostEqual(strong.worst_attack_success, 0.3)
        self.assertAlmostEqual(strong.mean_robust_accuracy, 0.8)
        self.assertAlmostEqual(strong.mean_der, ((0.9 - 0.05 + 1) / 2 + (0.7 - 0.05 + 1) / 2) / 2)
        self.assertAlmostEqual(strong.worst_der, (0.7 - 0.05 + 1) / 2)
        weak = next(one for one in evaluation.summaries if (one.stage, one.strength) == ("badnet", "weak"))
        self.assertEqual((weak.sets, weak.mean_attack_success, weak.mean_der), (1, 0.5, None))

    def test_der_takes_its_accuracy_from_the_largest_clean_set_or_the_one_named(self):
        sets = [_clean("small", (10, 5), 10), _clean("large"), _poisoned("patch", 90, 9)]
        self.assertEqual(evaluate_sets(sets).reference, "large")
        named = evaluate_sets(sets, reference="small")
        self.assertAlmostEqual(named.sets[2].stage("repaired").der, (0.9 - 0.5 + 1) / 2)
        with self.assertRaises(ValueError):
            evaluate_sets(sets, reference="patch")

    def test_any_subset_of_the_networks_will_do(self):
        patch = _poisoned("patch", 90, 9)
        alone = evaluate_sets([dataclasses.replace(patch, predictions=patch.predictions[1:2])])
        self.assertEqual(alone.sets[0].strength, "unknown")
        self.assertIsNone(alone.sets[0].stages[0].der)
        self.assertIsNone(alone.reference)
        without_clean = evaluate_sets([patch])
        self.assertIsNone(without_clean.sets[0].stage("detector").auroc)
        self.assertIsNone(without_clean.sets[0].stage("repaired").der)

    def test_names_must_differ(self):
        with self.assertRaises(InputError):
            evaluate_sets([_clean(), _clean()])

    def test_json_is_strict(self):
        empty = dataclasses.replace(_poisoned("own class", 0, 0), true_labels=np.full(100, 7))
        text = json.dumps(evaluate_sets([_clean(), _poisoned("patch", 90, 9), empty]).to_json(), allow_nan=False)
        read = json.loads(text)
        self.assertEqual(read["schema_version"], 1)
        self.assertEqual(read["sets"][1]["stages"][1]["attack_success"]["count"], 9)
        self.assertIsNone(read["sets"][2]["stages"][0]["attack_success"]["value"])
        self.assertIsNone(read["sets"][2]["stages"][2]["auroc"])
        self.assertEqual(read["sets"][1]["path"], "/runs/patch.h5")
        self.assertEqual(read["summaries"][0]["strength"], "strong")

    def test_nothing_measured(self):
        self.assertEqual(evaluate_sets([]), Evaluation((), None, ()))


if __name__ == "__main__":
    absltest.main()
