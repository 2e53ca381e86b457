"""Tests of the job on objects in memory, on a network whose trigger is known, beside the command on the same inputs."""

import ast
import dataclasses
import gc
import glob
import inspect
import json
import logging
import os
import pathlib
import random
import tempfile
from unittest import mock

import keras as keras_3
import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.data.hdf5 import write_hdf5
from goodnet.export.bundle import read_card
from goodnet.models.legacy_keras import keras, tf
from goodnet.pipeline.api import library
from goodnet.pipeline.api.arguments import in_arguments
from goodnet.pipeline.inputs.case import Case
from goodnet.pipeline.repair_steps import FILES
from goodnet.pipeline.reporting.flag_names import flags_named
from goodnet.pipeline.run import own_runs
from goodnet.pipeline.run.finished_runs import Artefacts
from goodnet.pipeline.run.manifest import manifest_bytes, read_manifest
from goodnet.pipeline.run.output_files import sha256_of
from goodnet.pipeline.run.progress import log
from goodnet.pipeline.training.devices import devices_of
from testing.example_runs import shared_binaries
from testing.planted_network import TARGET, bright_rows, planted_network, with_planted_trigger

_CLASSES = 8
_SETTINGS = {"method": "fine-pruning", "input_scale": "unit", "pruning_epochs": 1, "fine_tuning_epochs": 1, "seed": 3}


def _in_keras_3(model, folder):
    path = os.path.join(folder, "net.h5")
    model.save(path)
    return keras_3.models.load_model(path, compile=False)


def _weights(path):
    return keras.models.load_model(path, compile=False).get_weights()


def _temporary_folders():
    # Those that earlier tests' results hold are not to go between two looks.
    gc.collect()
    return set(glob.glob(os.path.join(tempfile.gettempdir(), "goodnet-*")))


class _Interrupting(logging.Handler):
    """Interrupts at a line of progress."""

    def __init__(self, line):
        super().__init__()
        self._line = line

    def emit(self, record):
        if self._line in record.getMessage():
            raise KeyboardInterrupt


class LibraryTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        # Bazel's sandbox has no cache to write to, and other processes have temporary folders of their own.
        cls.enterClassContext(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": os.path.join(cls.folder, "cache")}))
        cls.enterClassContext(mock.patch.object(tempfile, "tempdir", cls.folder))
        cls.network = planted_network(_CLASSES, softmax=True, convolution=True)
        cls.clean, cls.test = bright_rows(160, _CLASSES), bright_rows(80, _CLASSES, seed=3)
        cls.images, cls.labels = cls.clean.images(), cls.clean.labels
        cls.stamped = with_planted_trigger(cls.test.images())
        cls.in_keras_3 = _in_keras_3(cls.network, cls.folder)
        cls.result = library.repair(
            cls.in_keras_3,
            cls.images,
            cls.labels,
            test=(cls.test.images().astype(np.float32), np.eye(_CLASSES)[cls.test.labels]),
            poisoned={"last pixel": (cls.stamped, cls.test.labels)},
            target=TARGET,
            **_SETTINGS,
        )
        cls.out_dir = cls.result.export(os.path.join(cls.folder, "exported"))

    def assert_same_weights(self, one_dir, other_dir):
        """The two runs' models are the same to the last bit."""
        one_run, other_run = Artefacts.within(one_dir), Artefacts.within(other_dir)
        for name in ("pruned", "repaired_h5", "repaired_keras", "detector_keras"):
            pairs = zip(_weights(getattr(one_run, name)), _weights(getattr(other_run, name)), strict=True)
            for one, other in pairs:
                np.testing.assert_array_equal(one, other, err_msg=name)

    def test_the_command_gives_the_same_weights(self):
        model, clean, out_dir = (os.path.join(self.folder, name) for name in ("bad.h5", "clean.h5", "by_command"))
        self.network.save(model)
        write_hdf5(clean, self.clean)
        flags = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        ended = shared_binaries().run("repair", model, f"--clean_data={clean}", f"--out_dir={out_dir}", *flags)
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assert_same_weights(self.out_dir, out_dir)
        ours, theirs = (read_manifest(folder)["findings"] for folder in (self.out_dir, out_dir))
        self.assertEqual({**ours, "input_scale_warnings": []}, {**theirs, "input_scale_warnings": []})

    def test_export_leaves_what_the_command_leaves(self):
        self.assertCountEqual(os.listdir(self.out_dir), FILES)
        manifest = read_manifest(self.out_dir)
        for name, digest in manifest["outputs"].items():
            self.assertEqual(sha256_of(os.path.join(self.out_dir, name)), digest)
        self.assertEqual(manifest["inputs"].keys(), {"model", "images"})
        # No file of the model is there that anybody could compare.
        self.assertIsNone(read_card(os.path.join(self.out_dir, "detector.tflite")).suspect_sha256)
        self.assertEqual(manifest["measured_on"].keys(), {"test", "last pixel"})
        # So that the commands find it beside a model.
        self.assertTrue(own_runs.is_own_manifest(manifest_bytes(self.out_dir)))

    def test_export_refuses_a_place_and_leaves_it(self):
        taken = os.path.join(self.folder, "taken")
        with open(taken, "w"):
            pass
        with self.assertRaisesRegex(InputError, "^out_dir=.*taken: "):
            self.result.export(taken)
        replacing = os.path.join(self.folder, "replacing")
        os.mkdir(replacing)
        model = os.path.join(replacing, "repaired.h5")
        self.network.save(model)
        before = sha256_of(model)
        result = dataclasses.replace(self.result, _case=Case(model, self.clean))
        with self.assertRaisesRegex(InputError, "^out_dir=.*replacing: .* replace its own input"):
            result.export(replacing)
        self.assertEqual(sha256_of(model), before)
        self.assertEqual(os.listdir(replacing), ["repaired.h5"])

    def test_model_and_detector_are_usable(self):
        pixels = self.test.images()
        probabilities = self.result.model.predict(self.result.input_scale.apply(pixels), verbose=0)
        self.assertEqual(probabilities.shape, (80, _CLASSES))
        scores = self.result.detector.predict(pixels.astype(np.float32), verbose=0)
        self.assertEqual(scores.shape, (80, _CLASSES + 1))
        found = library.detect(self.result.detector, pixels)
        np.testing.assert_array_equal(found.labels, scores.argmax(axis=1))
        self.assertEqual((found.labels.dtype, found.suspicion.dtype), (np.int64, np.float32))
        self.assertEqual(found.backdoor_label, _CLASSES)

    def test_detect_takes_files(self):
        in_memory = library.detect(self.result.detector, self.stamped)
        by_file = library.detect(os.path.join(self.out_dir, "detector.keras"), self.stamped)
        np.testing.assert_array_equal(by_file.labels, in_memory.labels)
        on_device = library.detect(pathlib.Path(self.out_dir, "detector.tflite"), self.stamped.astype(float))
        self.assertGreater(np.mean(on_device.labels == in_memory.labels), 0.9)
        self.assertStartsWith(repr(on_device), f"{on_device.is_backdoor.sum()} of 80 images flagged")

    def test_the_report_can_be_kept(self):
        report = self.result.report()
        with open(report, encoding="utf-8") as file:
            self.assertIn("Backdoor repair of model", file.read())
        copy = self.result.report(os.path.join(self.folder, "copy.html"))
        self.assertEqual(sha256_of(copy), sha256_of(report))
        with self.assertRaisesRegex(InputError, "nowhere.*: No such file or directory"):
            self.result.report(os.path.join(self.folder, "nowhere", "report.html"))

    def test_displays(self):
        verdict = library.audit(self.network, self.images, self.labels, class_names=["<b>"] * 8, input_scale="unit")
        self.assertStartsWith(repr(verdict), "backdoor: ")
        for shown in (repr(verdict), repr(self.result)):
            self.assertLessEqual(len(shown.splitlines()), 3)
        for page in (verdict._repr_html_(), self.result._repr_html_()):
            self.assertIn("<table>", page)
            self.assertNotIn("<script", page)
        self.assertIn("(&lt;b&gt;)", verdict._repr_html_())
        self.assertNotIn("(<b>)", verdict._repr_html_())
        self.assertIn("last pixel", self.result._repr_html_())

    def test_keras_2_and_keras_3_and_files_are_audited_alike(self):
        path = os.path.join(self.folder, "planted.h5")
        self.network.save(path)
        models = [self.network, self.in_keras_3, path]
        images = self.images.astype(np.float64)
        verdicts = [library.audit(model, images, self.labels[:, None], input_scale="unit") for model in models]
        for verdict in verdicts:
            self.assertEqual((verdict.name, verdict.targets), ("backdoor", (TARGET,)))
            self.assertEqual(verdict.to_json(), verdicts[0].to_json())
            json.dumps(verdict.to_json(), allow_nan=False)

    def test_a_model_comes_back_in_the_keras_that_it_came_in(self):
        self.assertIsInstance(self.result.model, keras_3.Model)
        scaled = self.result.input_scale.apply(self.test.images())
        in_keras_2 = keras.models.load_model(os.path.join(self.out_dir, "repaired.keras"))
        expected = in_keras_2.predict(scaled, verbose=0)
        np.testing.assert_allclose(self.result.model.predict(scaled, verbose=0), expected, atol=1e-5)
        for weight, one in zip(self.in_keras_3.get_weights(), self.network.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, one)

    def test_a_clean_model_is_left_as_it_is(self):
        network = planted_network(_CLASSES, planted=False, softmax=True)
        result = library.repair(network, self.images, self.labels, input_scale="unit")
        self.assertEqual((result.verdict.name, result.changed), ("clean", False))
        for weight, one in zip(result.model.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, one)

    def test_nothing_of_the_callers_changes(self):
        def draws():
            return random.random(), np.random.rand(), float(tf.random.uniform([])), keras.backend.floatx()

        def state():
            loggers = [logging.getLogger(name) for name in (None, "goodnet", "absl", "tensorflow")]
            return (
                [(one.level, one.propagate, list(one.handlers), list(one.filters)) for one in loggers],
                (os.getcwd(), keras.mixed_precision.global_policy().name, _temporary_folders()),
            )

        keras.utils.set_random_seed(11)
        expected = draws()
        keras.utils.set_random_seed(11)
        keras.mixed_precision.set_global_policy("mixed_float16")
        self.addCleanup(keras.mixed_precision.set_global_policy, "float32")
        before = state()
        library.audit(self.network, self.images, self.labels, verbose=True)
        result = library.repair(self.network, self.images, self.labels, **_SETTINGS)
        self.assert_same_weights(result.export(os.path.join(self.folder, "again")), self.out_dir)
        self.assertTrue(os.path.exists(result.report()))
        self.assertIsInstance(result.model, keras.Model)
        del result
        self.assertEqual(state(), before)
        self.assertEqual(draws(), expected)

    def test_an_interruption_leaves_nothing(self):
        before = _temporary_folders()
        level, handler = log.level, _Interrupting("pruning: epoch")
        log.addHandler(handler)
        self.addCleanup(log.removeHandler, handler)
        with self.assertRaises(KeyboardInterrupt):
            library.repair(self.network, self.images, self.labels, verbose=True, **_SETTINGS)
        self.assertEqual(_temporary_folders(), before)
        self.assertEqual((log.level, log.handlers, log.filters), (level, [handler], []))

    @parameterized.parameters(
        ({"images": np.zeros([160, 8, 8, 3])}, "images: floats from 0 to 0, neither clearly .*multiply by 255"),
        ({"images": np.zeros([160, 8], np.uint8)}, r"images: the shape is \[160, 8\]"),
        ({"clean_part": "all"}, "clean_part='all': unknown; expected one of train, val, test"),
        ({"images": [[1], [1, 2]]}, "images: no array"),
        ({"images": "nowhere.h5", "labels": None}, "nowhere.h5: not found"),
        ({"labels": np.zeros(3, int)}, "labels: 3 labels for 160 images"),
        ({"labels": np.full([160, 8], 0.125)}, "labels: .*one-hot labels, but"),
        ({"labels": np.full(160, -1)}, "labels: label number 0 is -1"),
        ({"labels": None}, "labels: missing"),
        ({"labels": np.zeros(160, int)}, "images: all 160 images .*; expected .* \\(allow_chance goes on"),
        ({"labels": np.arange(160)}, "images"),
        ({"model": object()}, "model: of type object; expected .* Keras 2 or Keras 3"),
        ({"model": "nowhere.h5"}, "nowhere.h5: not found"),
        ({"class_names": ["a"]}, "images"),
        ({"seed": -1}, "seed=-1: expected a whole number from 0"),
        ({"allow_chance": 1}, "allow_chance=1: expected True or False"),
        ({"input_scale": "bytes"}, "input_scale='bytes': unknown; expected one of auto, unit"),
        ({"input_scale": "mean_std"}, "input_scale=mean_std: mean, std: 0 and 0 values"),
    )
    def test_a_mistake_is_one_line_about_an_argument(self, changes, line):
        given = {"model": self.network, "images": self.images, "labels": self.labels, **changes}
        with self.assertRaisesRegex(InputError, f"^{line}") as raised:
            library.audit(**given)
        self.assertNotIn("\n", str(raised.exception))
        self.assertNotIn("--", str(raised.exception))

    @parameterized.parameters(
        ({"max_shift": 8}, "max_shift=8: images are 8 x 8 pixels"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: expected a number of at least 0"),
        ({"method": "magic"}, "method=magic: unknown; expected one of .*fine-pruning"),
        ({"test": np.zeros(3)}, "test, labels: missing"),
        ({"test": (1, 2, 3)}, "test: 3 values; expected a pair"),
        ({"test": (np.zeros([2, 8, 8, 3], np.uint8), [1])}, "test, labels: 1 labels for 2 images"),
        ({"poisoned": "nowhere.h5"}, "nowhere.h5: not found"),
        ({"precision": "int4"}, "precision='int4': unknown"),
    )
    def test_so_is_one_of_a_repair(self, changes, line):
        before = _temporary_folders()
        with self.assertRaisesRegex(InputError, f"^{line}"):
            library.repair(self.network, self.images, self.labels, **changes)
        self.assertEqual(_temporary_folders(), before)

    def test_a_strategy_is_an_argument(self):
        strategy = tf.distribute.MirroredStrategy(["CPU:0"])
        with strategy.scope(), self.assertRaisesRegex(InputError, "^strategy: called in a strategy's scope"):
            library.repair(self.network, self.images, self.labels, **_SETTINGS)
        devices = devices_of(strategy)
        self.assertEqual((devices.strategy, devices.names), (strategy, ("CPU:0",)))
        self.assertEqual(devices_of(None).names, tuple(read_manifest(self.out_dir)["devices"]))

    def test_unknown_settings_are_refused_at_once(self):
        with self.assertRaisesRegex(TypeError, r"repair\(\) got an unexpected keyword argument 'max_shfit'"):
            library.repair(self.network, self.images, self.labels, max_shfit=1)
        self.assertEqual(inspect.signature(library.repair).parameters["max_zoom"].default, 0.1)

    def test_detect_refuses(self):
        for detector, images, line in (
            (self.network, self.images, "detector: no detector"),
            (self.result.detector, self.images[:, :4], "images: images of 4 x 8 x 3; expected 8 x 8 x 3"),
            (self.result.tflite, self.images[:, :4], "images: images of 4 x 8 x 3; expected 8 x 8 x 3"),
            (os.path.join(self.out_dir, "repaired.h5"), self.images, ".*repaired.h5: no detector"),
            ("nowhere.tflite", self.images, "nowhere.tflite: No such file"),
        ):
            with self.subTest(line), self.assertRaisesRegex(InputError, f"^{line}"):
                library.detect(detector, images)


class MessagesTest(absltest.TestCase):
    def test_every_flag_that_a_message_names_is_an_argument(self):
        arguments = {
            *inspect.signature(library.repair).parameters,
            *inspect.signature(library.RepairResult.export).parameters,
        }
        # What a call in Python cannot lead to.
        commands_only = {
            "resume",
            "run",
            "device",
            "identities",
            "images_per_identity",
            "poison_share",
            "pruning_aware",
            "help",
        }
        elsewhere = {"detect", "reading", "array_sets", "device_bundle", "device_check", "style"}
        root = pathlib.Path(library.__file__).resolve().parents[2]
        binaries = {"attack.py", "audit.py", "command.py", "evaluate.py", "export.py", "repair.py", "embedded_case.py"}
        for package in ("data", "models", "export", "pipeline"):
            for path in sorted(pathlib.Path(root, package).rglob("*.py")):
                if path.stem.endswith("_test") or path.name in binaries or path.stem in elsewhere:
                    continue
                tree = ast.parse(path.read_text())
                documented = {
                    id(node.body[0].value)
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                    and node.body
                    and isinstance(node.body[0], ast.Expr)
                }
                for node in ast.walk(tree):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
                        for flag in set(flags_named(node.value)) - commands_only:
                            self.assertIn(in_arguments(f"--{flag}"), arguments, f"{path}: {node.value!r}")


if __name__ == "__main__":
    absltest.main()
