"""Tests of `python -m pipeline.evaluate` as a user runs it, on the repair of a small case."""

import json
import os
import shutil

import numpy as np
from absl.testing import absltest

from data.opening import open_image_set
from pipeline.example_case import example_case
from pipeline.example_runs import binaries
from pipeline.methods.repair_method import RepairSettings
from pipeline.outputs import sha256_of
from pipeline.repairing import Case, Options, repair
from pipeline.training.devices import select_devices


class EvaluateTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.binaries = cls.enterClassContext(binaries())
        cls.case = example_case()
        settings = RepairSettings(pruning_epochs=2, fine_tuning_epochs=1, max_shift=0)
        cls.run_dir = os.path.join(cls.case.folder, "bad_repaired")
        repair(
            Case(cls.case.model, cls.case.clean),
            Options(cls.run_dir, method="fine-pruning", settings=settings),
            select_devices("cpu"),
        )
        cls.addClassCleanup(shutil.rmtree, cls.run_dir)

    def _evaluate(self, *argv):
        ended = self.binaries.run("evaluate", *argv)
        self.assertEqual(ended.status, 0, ended.stderr)
        return ended

    def _refused(self, *argv):
        ended = self.binaries.run("evaluate", *argv)
        self.assertEqual((ended.status, ended.stdout), (1, ""))
        self.assertNotIn("Traceback", ended.stderr)
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        return line

    def test_finds_the_repair_beside_the_model(self):
        table = self._evaluate(self.case.test, self.case.model).stdout
        for stage in ("badnet", "pruned", "repaired", "detector"):
            self.assertIn(stage, table)
        self.assertIn("accuracy on the given labels", table)
        self.assertNotIn("attack success", table)

    def test_says_attack_success_only_where_a_set_is_poisoned(self):
        figures = os.path.join(self.create_tempdir().full_path, "figures")
        ended = self._evaluate(
            self.case.test,
            self.case.model,
            f"--poisoned_data={self.case.poisoned}",
            f"--run={self.run_dir}",
            f"--out_dir={figures}",
        )
        tables, worst = ended.stdout.split("\n\ntest.h5: most misclassified classes")
        clean, poisoned = tables.split("poisoned.h5:")
        self.assertIn("poisoned.h5: most attacked classes", worst)
        self.assertNotIn("attack success", clean)
        self.assertIn("attack success", poisoned)
        self.assertEqual(os.listdir(figures), ["metrics.json"])
        with open(os.path.join(figures, "metrics.json")) as file:
            self.assertIn("schema_version", json.load(file))
        # Images that know their true labels say so themselves; clean ones are called poisoned when the user says so.
        self.assertIn("attack success", self._evaluate(self.case.poisoned, self.case.model).stdout)
        given = self._evaluate(f"--model={self.case.model}", f"--poisoned_data={self.case.test}").stdout
        self.assertIn("attack success", given)

    def test_a_model_without_a_repair_is_measured_alone(self):
        alone = os.path.join(self.create_tempdir().full_path, "bad.h5")
        shutil.copy(self.case.model, alone)
        ended = self._evaluate(self.case.test, alone)
        self.assertIn("no repair of", ended.stderr)
        self.assertIn("badnet", ended.stdout)
        self.assertNotIn("repaired", ended.stdout)

    def test_a_repaired_model_is_measured_as_any_other(self):
        table = self._evaluate(self.case.test, os.path.join(self.run_dir, "repaired.h5")).stdout
        self.assertIn("badnet", table)
        self.assertNotIn("detector", table)

    def test_a_set_of_one_class_is_measured_with_a_warning(self):
        folder = self.create_tempdir().full_path
        alone, one_class = os.path.join(folder, "bad.h5"), os.path.join(folder, "one.npz")
        shutil.copy(self.case.model, alone)
        images = open_image_set(self.case.test)
        places = np.flatnonzero(images.labels == 2)
        np.savez(one_class, data=images.images(places), label=images.labels[places])
        ended = self._evaluate(one_class, alone, "--input_scale=unit")
        self.assertIn("badnet", ended.stdout)
        self.assertRegex(ended.stderr, "warning: .*have the label 2")
        ended = self._evaluate(f"--poisoned_data={self.case.poisoned}", f"--model={alone}")
        self.assertIn("attack success", ended.stdout)
        self.assertIn("poisoned; the pixel scale is chosen by the answers that its labels say", ended.stderr)

    def test_refusals(self):
        other = os.path.join(self.run_dir, "pruned.h5")
        test, model = self.case.test, self.case.model
        metrics = os.path.join(self.run_dir, "metrics.json")
        before = sha256_of(metrics)
        for argv, named in (
            ((test, other, f"--run={self.run_dir}"), "the repair of another model"),
            ((test, model, "--run=/no/run"), "/no/run: no manifest.json in it"),
            ((test, model, f"--out_dir={self.run_dir}"), "--out_dir=.*holds a repair"),
            ((test,), "--model: missing"),
            ((test, "/no/such.h5"), "/no/such.h5: not found"),
            (("/no/such.h5", model), "/no/such.h5: no such file"),
            ((f"--model={model}",), "data: missing"),
            ((test, model, "more"), "more: unexpected argument"),
            ((test, model, f"--poisoned_data={model}"), "bad.h5: "),
        ):
            with self.subTest(named):
                self.assertRegex(self._refused(*argv), named)
        self.assertEqual(sha256_of(metrics), before)


if __name__ == "__main__":
    absltest.main()
