"""Tests of the main job, end to end, on a small made-up case."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.opening import open_image_set
from goodnet.export.bundle import read_card
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Case, Options, repair
from goodnet.pipeline.run.finished_runs import Artefacts
from goodnet.pipeline.run.manifest import read_manifest
from goodnet.pipeline.run.output_files import only_run_in, sha256_of
from goodnet.pipeline.training.devices import select_devices
from testing.example_case import CLASSES, example_case

_ARTEFACTS = frozenset({"pruned.h5", "repaired.h5", "repaired.keras", "detector.keras", "detector.tflite"})
_CONTRACT = _ARTEFACTS | {"device.zip", "manifest.json", "metrics.json", "report.html"}
_SETTINGS = RepairSettings(pruning_epochs=2, fine_tuning_epochs=2, max_shift=1)
_KERAS_3 = """
import sys
import keras, numpy as np
assert keras.__version__.startswith("3."), keras.__version__
images = np.load(sys.argv[1])
for path in sys.argv[2:]:
    np.save(path + ".npy", keras.models.load_model(path, compile=False).predict(images, verbose=0))
"""


def _options(out_dir, **changes):
    return Options(out_dir=out_dir, method="fine-pruning", settings=_SETTINGS, **changes)


def _case(**changes):
    case = example_case()
    return dataclasses.replace(Case(case.model, case.clean, case.test, (case.poisoned,)), **changes)


def _refuse_constant(name):
    raise AssertionError(f"{name} in JSON")


def _weights(path):
    return keras.models.load_model(path, compile=False).get_weights()


class RepairingTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.devices = select_devices("cpu")
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.out_dir = os.path.join(cls.folder, "out")
        cls.result = repair(_case(), _options(cls.out_dir), cls.devices)
        cls.artefacts = Artefacts.within(cls.out_dir)
        cls.manifest = read_manifest(cls.out_dir)

    def assert_whole(self, out_dir, least):
        """Everything that the manifest names is there as it says, and nothing else."""
        outputs = read_manifest(out_dir)["outputs"]
        self.assertContainsSubset(least, outputs)
        for name, digest in outputs.items():
            self.assertEqual(sha256_of(os.path.join(out_dir, name)), digest, name)
        visible = {name for name in os.listdir(out_dir) if not name.startswith(".")}
        self.assertEqual(visible, {*outputs, "manifest.json"})

    def assert_same_decisions(self, out_dir):
        findings = read_manifest(out_dir)["findings"]
        self.assertEqual(findings["closed_channels"], self.manifest["findings"]["closed_channels"])
        self.assertAlmostEqual(findings["threshold"], self.manifest["findings"]["threshold"], delta=1e-6)
        found = Artefacts.within(out_dir)
        for name in ("pruned", "repaired_h5", "repaired_keras", "detector_keras"):
            expected = _weights(getattr(self.artefacts, name))
            for weight, one in zip(_weights(getattr(found, name)), expected, strict=True):
                np.testing.assert_allclose(weight, one, atol=1e-6, err_msg=name)

    def test_leaves_the_files_of_the_contract_and_nothing_else(self):
        self.assertCountEqual(os.listdir(self.out_dir), _CONTRACT)
        self.assert_whole(self.out_dir, _CONTRACT - {"manifest.json"})

    def test_the_manifest_says_what_went_in(self):
        case = example_case()
        self.assertEqual(self.manifest["inputs"], {path: sha256_of(path) for path in (case.model, case.clean)})
        self.assertEqual(self.manifest["measured_on"], {path: sha256_of(path) for path in (case.test, case.poisoned)})
        self.assertEqual(self.manifest["devices"], ["CPU:0"])
        self.assertEqual(self.manifest["settings"]["pruning_epochs"], 2)
        self.assertNotIn("poisoned", json.dumps(self.manifest["settings"]))

    def test_the_figures_hold_no_nan(self):
        with open(os.path.join(self.out_dir, "metrics.json")) as file:
            metrics = json.load(file, parse_constant=_refuse_constant)
        self.assertIn("schema_version", metrics)
        self.assertEqual(metrics["device_parity"]["images"], 120)
        self.assertGreaterEqual(metrics["device_parity"]["same_label"], 119)
        stamped = metrics["device_parity_stamped"]
        self.assertGreaterEqual(stamped["images"], 120)
        self.assertGreaterEqual(stamped["same_label"], 0.95 * stamped["images"])
        self.assertEqual(metrics["device_parity"].keys(), stamped.keys())

    def test_the_table_calls_attack_success_what_is_poisoned_only(self):
        clean, poisoned = self.result.table.split("poisoned.h5:")
        self.assertNotIn("attack success", clean)
        self.assertIn("attack success", poisoned)

    def test_the_report_is_one_page_that_shows_the_run(self):
        with open(self.result.report, encoding="utf-8") as file:
            page = file.read()
        for name in ("conv_2", "test.h5", "poisoned.h5", self.manifest["outputs"]["detector.tflite"]):
            self.assertIn(name, page)

    def test_channels_were_removed_from_the_network(self):
        closed = self.manifest["findings"]["closed_channels"]["conv_2"]
        self.assertNotEmpty(closed)
        badnet = keras.models.load_model(example_case().model, compile=False)
        for path in (self.artefacts.pruned, self.artefacts.repaired_h5):
            pruned = keras.models.load_model(path, compile=False)
            self.assertEqual(pruned.get_layer("conv_2").filters, badnet.get_layer("conv_2").filters - len(closed))
            self.assertLess(pruned.count_params(), badnet.count_params())
            self.assertEqual(pruned.output_shape, (None, CLASSES))
            self.assertTrue(all(layer.trainable for layer in pruned.layers))

    def test_the_threshold_travels_with_the_device_file(self):
        card = read_card(self.artefacts.detector_tflite)
        self.assertAlmostEqual(card.threshold, self.manifest["findings"]["threshold"], delta=1e-6)
        self.assertEqual(card.precision, self.manifest["findings"]["precision"])
        self.assertEqual(card.keras_sha256, self.manifest["outputs"]["detector.keras"])
        self.assertEqual(card.suspect_sha256, self.manifest["inputs"][example_case().model])

    def test_the_archive_for_a_device_holds_that_file(self):
        with (
            zipfile.ZipFile(self.artefacts.device_bundle) as archive,
            open(self.artefacts.detector_tflite, "rb") as file,
        ):
            self.assertEqual(archive.read("detector.tflite"), file.read())

    def test_keras_2_opens_every_model_without_custom_objects(self):
        images = open_image_set(example_case().test).images()
        scaled = images.astype(np.float32) / 255
        repaired = keras.models.load_model(self.artefacts.repaired_h5, compile=False).predict(scaled, verbose=0)
        again = keras.models.load_model(self.artefacts.repaired_keras)
        self.assertIsNone(getattr(again, "optimizer", None))
        np.testing.assert_allclose(again.predict(scaled, verbose=0), repaired, atol=1e-6)
        scores = keras.models.load_model(self.artefacts.detector_keras).predict(images.astype(np.float32), verbose=0)
        self.assertEqual(scores.shape, (len(images), CLASSES + 1))
        answers = scores.argmax(axis=1)
        passed = answers < CLASSES
        self.assertGreater(passed.mean(), 0.8)
        np.testing.assert_array_equal(answers[passed], repaired.argmax(axis=1)[passed])

    def test_keras_3_opens_the_hdf5_models(self):
        images = open_image_set(example_case().test).images(np.arange(8)).astype(np.float32) / 255
        given = os.path.join(self.folder, "images.npy")
        np.save(given, images)
        copies = []
        for path in (self.artefacts.pruned, self.artefacts.repaired_h5):
            copies.append(os.path.join(self.folder, os.path.basename(path)))
            with open(path, "rb") as source, open(copies[-1], "wb") as copy:
                copy.write(source.read())
        environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
        ended = subprocess.run(
            [sys.executable, "-c", _KERAS_3, given, *copies], env=environment, capture_output=True, text=True
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        for path in copies:
            expected = keras.models.load_model(path, compile=False).predict(images, verbose=0)
            np.testing.assert_allclose(np.load(path + ".npy"), expected, atol=1e-5)

    def test_nothing_that_is_only_measured_on_is_opened_before_every_artefact_is_in_place(self):
        out_dir = os.path.join(self.folder, "fifo")
        fifo = os.path.join(self.folder, "poisoned.fifo")
        os.mkfifo(fifo)
        with self.assertRaisesRegex(InputError, "poisoned.fifo: neither a file nor a folder"):
            repair(_case(test=None, poisoned=(fifo,)), _options(out_dir), self.devices)
        self.assert_whole(out_dir, _ARTEFACTS)
        self.assert_same_decisions(out_dir)

        # The run goes on, this time with nothing to measure on but its own clean data.
        with self.assertRaisesRegex(InputError, "--resume: .* max_false_positive_rate = 0.01 instead of 0.2"):
            repair(_case(), _options(out_dir, resume=True, max_false_positive_rate=0.2), self.devices)
        self.assert_whole(out_dir, _ARTEFACTS)
        with self.assertLogs("goodnet", "INFO") as logs:
            result = repair(_case(test=None, poisoned=()), _options(out_dir, resume=True), self.devices)
        self.assertTrue(any("goes on after epoch 2 of 2" in line for line in logs.output))
        self.assert_same_decisions(out_dir)
        self.assert_whole(out_dir, _CONTRACT - {"manifest.json"})
        self.assertCountEqual(os.listdir(out_dir), _CONTRACT)
        self.assertEqual(read_manifest(out_dir)["measured_on"], {})
        self.assertNotIn("attack success", result.table)
        with open(os.path.join(out_dir, "metrics.json")) as file:
            json.load(file, parse_constant=_refuse_constant)

    def test_refuses_before_it_writes_anything(self):
        taken = os.path.join(self.folder, "taken")
        with open(taken, "w"):
            pass
        for changes, options, named in (
            ({}, _options(taken), "--out_dir=.*taken: "),
            ({}, dataclasses.replace(_options(self.out_dir), method="magic"), "--method=magic: .*fine-pruning"),
            ({"model": self.artefacts.repaired_h5}, _options(self.out_dir), "--out_dir=.* replace its own input"),
            ({"clean": example_case().model}, _options(self.out_dir), "bad.h5: "),
            ({"model": example_case().clean}, _options(self.out_dir), "clean.h5: "),
            ({"test": example_case().model}, _options(self.out_dir), "bad.h5: "),
            ({"class_names": example_case().model}, _options(self.out_dir), "--class_names=.*bad.h5: "),
        ):
            with self.subTest(named), self.assertRaisesRegex(InputError, named):
                repair(_case(**changes), options, self.devices)
        self.assert_whole(self.out_dir, _CONTRACT - {"manifest.json"})

    def test_a_folder_that_another_run_holds_is_refused(self):
        with only_run_in(self.out_dir), self.assertRaisesRegex(InputError, "another run is writing there"):
            repair(_case(), _options(self.out_dir), self.devices)


if __name__ == "__main__":
    absltest.main()
