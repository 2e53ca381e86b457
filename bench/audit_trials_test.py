"""A whole trial, on a small model whose patch stands out."""

from absl.testing import absltest

from bench.audit_cases import SHAPES, Case
from bench.audit_trials import COLUMNS, FOUND, run_trial
from pipeline.training.devices import select_devices


class TrialTest(absltest.TestCase):
    def test_a_badnet_is_made_measured_and_found(self):
        attack = "patch@3:size=3,corner=bottom-right,colour=magenta,margin=1"
        row = run_trial(Case("patch", 7, SHAPES, "vgg", 12, (attack,)), 0, None, select_devices("cpu"))
        self.assertLessEqual(set(row), set(COLUMNS))
        self.assertGreater(float(row["accuracy"]), 0.8)
        self.assertGreater(float(row["asr"]), 0.9)
        self.assertEqual((row["outcome"], row["targets"]), (FOUND, "3"))


if __name__ == "__main__":
    absltest.main()
