"""Tests of `python -m pipeline.evaluate` as a user runs it, on the repair of a small case."""

import json
import os
import re
import shutil
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.data.opening import open_image_set
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Case, Options, repair
from goodnet.pipeline.run.output_files import sha256_of
from goodnet.pipeline.training.devices import select_devices
from testing.example_case import TARGET, example_case
from testing.example_runs import shared_binaries

# In the order of their classes, which is not that of the alphabet.
_NAMES = ("lying", "standing", "rising", "falling")


def _figures(table: str) -> list[str]:
    """The shares in a table with their counts, such as `97.5 % [92.9, 99.1] (117/120)`."""
    return re.findall(r"[\d.]+ % \[[^]]*\] \(\d+/\d+\)", table)


def _share(table: str) -> float:
    return float(_figures(table)[0].split()[0])


def _badnet_rows(text: str) -> list[str]:
    """The rows of the model itself in the tables of figures, one of each set."""
    return re.findall(r"(?m)^  badnet .*%.*$", text)


class EvaluateTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cache = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.enterClassContext(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}))
        cls.binaries = shared_binaries()
        cls.case = example_case()
        settings = RepairSettings(pruning_epochs=2, fine_tuning_epochs=1, max_shift=0)
        cls.run_dir = os.path.join(cls.case.folder, "bad_repaired")
        repair(
            Case(cls.case.model, cls.case.clean),
            Options(cls.run_dir, method="fine-pruning", settings=settings),
            select_devices("cpu"),
        )
        cls.addClassCleanup(shutil.rmtree, cls.run_dir)

    def _alone(self):
        """The model in a folder where no repair of it is."""
        return shutil.copy(self.case.model, os.path.join(self.create_tempdir().full_path, "bad.h5"))

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
        alone = self._alone()
        self.assertIn("attack success", self._evaluate(self.case.poisoned, alone).stdout)
        given = self._evaluate(f"--model={alone}", f"--poisoned_data={self.case.test}").stdout
        self.assertIn("attack success", given)

    def test_a_model_without_a_repair_is_measured_alone(self):
        ended = self._evaluate(self.case.test, self._alone())
        self.assertIn("no repair of", ended.stderr)
        self.assertIn("badnet", ended.stdout)
        self.assertNotIn("repaired", ended.stdout)

    def test_a_repair_that_came_with_the_model_is_not_opened(self):
        folder = self.create_tempdir().full_path
        model, planted = os.path.join(folder, "bad.h5"), os.path.join(folder, "bad_repaired")
        shutil.copy(self.case.model, model)
        shutil.copytree(self.run_dir, planted)
        manifest = os.path.join(planted, "manifest.json")
        with open(manifest, "a") as file:
            file.write("\n")
        for content in (None, "[1]", "[" * 10**5):
            if content is not None:
                with open(manifest, "w") as file:
                    file.write(content)
            ended = self._evaluate(self.case.test, model)
            self.assertIn("may have come with the model; --run=", ended.stderr)
            self.assertNotIn("repaired", ended.stdout)

    def _folder(self, path, labels=None, without=()):
        """The images of a set as a folder with a sub-folder for each class, whose names are in no order of theirs."""
        folder, images = self.create_tempdir().full_path, open_image_set(path)
        for index, label in enumerate(images.labels if labels is None else labels(images)):
            if label not in without:
                os.makedirs(os.path.join(folder, _NAMES[label]), exist_ok=True)
                Image.fromarray(images.images([index])[0]).save(os.path.join(folder, _NAMES[label], f"{index}.png"))
        return folder

    def test_class_folders_are_matched_by_name(self):
        names = os.path.join(self.create_tempdir().full_path, "names.txt")
        with open(names, "w") as file:
            file.write("\n".join(_NAMES))
        alone = self._alone()
        whole = self._folder(self.case.test)
        missing = self._folder(self.case.test, without=(3,))
        # Sorted by name they would be other classes, which accuracy shows.
        self.assertRegex(self._refused(missing, alone), "3 class names .*the model has 4 outputs.*FILE")
        hdf5 = self._evaluate(self.case.test, self.case.model).stdout
        table = self._evaluate(whole, self.case.model, f"--class_names={names}").stdout
        self.assertEqual(_figures(hdf5), _figures(table))
        table = self._evaluate(missing, alone, f"--class_names={names}").stdout
        self.assertGreater(_share(table), 90)
        with open(names, "a") as file:
            file.write("\nanother")
        refused = self._refused(whole, alone, f"--class_names={names}")
        self.assertIn("5 class names (or class folders), but the model has 4 outputs", refused)

    def test_parts_and_sizes_are_said_in_the_log(self):
        alone, parts = self._alone(), os.path.join(self.create_tempdir().full_path, "parts.npz")
        test, clean = open_image_set(self.case.test), open_image_set(self.case.clean)
        larger = test.images().repeat(2, axis=1).repeat(2, axis=2) / 255
        np.savez(parts, x_train=clean.images(), y_train=clean.labels, x_test=larger, y_test=np.eye(4)[test.labels])
        self.assertIn("the model expects", self._refused(parts, alone))
        ended = self._evaluate(parts, alone, "--resize")
        for line in (
            "--test_data takes test, and leaves train alone",
            '"x_test": floats from 0 to 1, taken times 255',
            "images are scaled to the model's",
        ):
            self.assertIn(line, ended.stderr)
        self.assertGreater(_share(ended.stdout), 90)

    def test_a_poisoned_folder_by_target_or_by_true_class(self):
        names = os.path.join(self.create_tempdir().full_path, "names.txt")
        with open(names, "w") as file:
            file.write("\n".join(_NAMES))
        given = (self.case.test, self.case.model, f"--class_names={names}")
        hdf5 = self._evaluate(*given, f"--poisoned_data={self.case.poisoned}").stdout
        expected = _figures(hdf5.split("poisoned.h5:")[1])
        by_target = self._folder(self.case.poisoned)
        self.assertEqual(os.listdir(by_target), [_NAMES[TARGET]])
        figures = self._evaluate(*given, f"--poisoned_data={by_target}").stdout
        self.assertIn(f"target {TARGET}", figures)
        by_class = self._folder(self.case.poisoned, labels=lambda images: images.true_labels)
        for target in (_NAMES[TARGET], TARGET):
            table = self._evaluate(*given, f"--poisoned_data={by_class}", f"--target={target}").stdout
            self.assertEqual(_figures(table.split("poisoned, target")[1])[:4], expected[:4])
            self.assertEqual(_badnet_rows(table), _badnet_rows(hdf5))
        refused = self._refused(*given, f"--poisoned_data={by_class}", "--target=lef")
        self.assertIn('--target: "lef" is none of the 4 class names', refused)

    def test_a_repaired_model_is_measured_as_any_other(self):
        table = self._evaluate(self.case.test, os.path.join(self.run_dir, "repaired.h5")).stdout
        self.assertIn("badnet", table)
        self.assertNotIn("detector", table)

    def test_a_set_of_one_class_is_measured_with_a_warning(self):
        alone, one_class = self._alone(), os.path.join(self.create_tempdir().full_path, "one.npz")
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
