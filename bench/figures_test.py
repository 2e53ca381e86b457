import json
import os

import numpy as np
from absl.testing import absltest

from bench.figures import COLUMNS, repair_figures
from goodnet.pipeline.measuring.evaluation import MeasuredSet, evaluate_sets
from goodnet.pipeline.measuring.predictions import StagePredictions

_N = 10


def _answers(labels: np.ndarray, wrong: int) -> np.ndarray:
    return np.where(np.arange(len(labels)) < len(labels) - wrong, labels, (labels + 1) % _N)


def _clean() -> MeasuredSet:
    labels = np.repeat(np.arange(_N), 10)
    detector = _answers(labels, 10)
    detector[:2] = _N
    stages = (
        StagePredictions("badnet", _answers(labels, 5)),
        StagePredictions("repaired", _answers(labels, 10)),
        StagePredictions("detector", detector, np.linspace(0, 0.5, 100, dtype=np.float32), _N),
    )
    return MeasuredSet("test", None, labels, None, False, stages)


def _poisoned(target: int, before: int, after: int) -> MeasuredSet:
    true = np.repeat(np.delete(np.arange(_N), target), 10)
    badnet, repaired = true.copy(), true.copy()
    badnet[:before], repaired[:after] = target, target
    detector = repaired.copy()
    detector[45:] = _N
    stages = (
        StagePredictions("badnet", badnet),
        StagePredictions("repaired", repaired),
        StagePredictions("detector", detector, np.full(90, 0.4 + target / 100, np.float32), _N),
    )
    return MeasuredSet(f"to {target}", None, np.full(90, target), true, True, stages)


class FiguresTest(absltest.TestCase):
    def _figures(self, *poisoned: MeasuredSet) -> dict:
        folder = self.create_tempdir().full_path
        contents = {
            "metrics.json": evaluate_sets([_clean(), *poisoned]).to_json(),
            "manifest.json": {"findings": {"split": {"fit": 7, "calibrate": 2, "report": 1}}},
        }
        for name, content in contents.items():
            with open(os.path.join(folder, name), "w") as file:
                json.dump(content, file)
        return repair_figures(folder)

    def test_one_trigger(self):
        row = self._figures(_poisoned(7, before=90, after=9))
        self.assertEqual(tuple(row), COLUMNS)
        self.assertEqual((row["acc_before"], row["acc_after"], row["clean_images"]), (0.95, 0.9, 10))
        self.assertEqual((row["asr_before"], row["asr_after"], row["asr_after_worst"]), (1.0, 0.1, 0.1))
        self.assertEqual((row["ra"], row["tpr"], row["fpr"], row["strength"]), (0.9, 0.5, 0.02, "strong"))

    def test_several_triggers_give_their_mean_and_their_worst(self):
        row = self._figures(_poisoned(7, before=90, after=9), _poisoned(3, before=81, after=27))
        self.assertEqual(row["strength"], "strong")
        self.assertAlmostEqual(row["asr_before"], 0.95)
        self.assertAlmostEqual(row["asr_after"], 0.2)
        self.assertAlmostEqual(row["asr_after_worst"], 0.3)

    def test_one_weak_trigger_makes_a_weak_attack(self):
        self.assertEqual(self._figures(_poisoned(7, 90, 9), _poisoned(3, 80, 9))["strength"], "weak")

    def test_a_clean_suspect_has_no_figures_of_an_attack(self):
        row = self._figures()
        self.assertEqual((row["acc_after"], row["fpr"]), (0.9, 0.02))
        self.assertTrue(all(row[name] is None for name in ("strength", "asr_before", "asr_after", "ra", "tpr")))


if __name__ == "__main__":
    absltest.main()
