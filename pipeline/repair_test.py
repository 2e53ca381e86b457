"""Tests of `python -m pipeline.repair` as a user runs it: mistakes, interruptions, kills, going on."""

import json
import os
import shutil
import signal
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.opening import open_image_set
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.run.manifest import read_manifest
from goodnet.pipeline.run.output_files import sha256_of
from testing.example_case import TARGET as PATCH_TARGET
from testing.example_case import bars, example_case
from testing.example_runs import shared_binaries
from testing.planted_network import TARGET, bright_rows, planted_network

_ARTEFACTS = frozenset({"pruned.h5", "repaired.h5", "repaired.keras", "detector.keras", "detector.tflite"})
_CONTRACT = _ARTEFACTS | {"device.zip", "manifest.json", "metrics.json", "report.html"}


class RepairTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cache = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.enterClassContext(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}))
        cls.binaries = shared_binaries()
        cls.case = example_case()

    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.out_dir = os.path.join(self.folder, "out")

    def _argv(self, *more, out_dir=None):
        return (
            self.case.model,
            f"--clean_data={self.case.clean}",
            f"--test_data={self.case.test}",
            f"--poisoned_data={self.case.poisoned}",
            f"--out_dir={out_dir or self.out_dir}",
            "--method=fine-pruning",
            "--pruning_epochs=2",
            "--fine_tuning_epochs=2",
            *more,
        )

    def _assert_whole(self):
        """What lies in the folder is nothing or files of one run, whole; what is not finished is hidden."""
        visible = {name for name in os.listdir(self.out_dir) if not name.startswith(".")}
        hidden = set(os.listdir(self.out_dir)) - visible
        self.assertContainsSubset(hidden, {".unfinished"})
        self.assertContainsSubset(visible, _CONTRACT)
        if "manifest.json" in visible:
            for name, digest in read_manifest(self.out_dir)["outputs"].items():
                self.assertEqual(sha256_of(os.path.join(self.out_dir, name)), digest, name)
            self.assertContainsSubset(_ARTEFACTS, visible)
        return visible

    def test_mistakes_are_one_line_that_names_the_flag_or_file(self):
        taken = os.path.join(self.folder, "taken")
        with open(taken, "w"):
            pass
        other, pipe = os.path.join(self.folder, "other.h5"), os.path.join(self.folder, "pipe")
        write_hdf5(other, bars(8, seed=0, side=8))
        os.mkfifo(pipe)
        case = self.case
        clean = f"--clean_data={case.clean}"
        mistakes = {
            (case.model,): "--clean_data: missing",
            (clean,): "--model: missing, but --clean_data is given",
            (f"--poisoned_data={case.poisoned}",): "--model: missing, but --poisoned_data",
            ("/no/such.h5", clean): "/no/such.h5: not found",
            (case.model, "--clean_data=/no/such"): "/no/such: not found",
            (case.model, clean, "--poisoned_data=/no/poison"): "/no/poison: not found",
            (case.model, clean, "--test_data=/no/test"): "/no/test: not found",
            (case.model, clean, "more"): "more: unexpected argument",
            (case.model, clean, f"--model={taken}"): "--model=",
            (case.model, clean, f"--out_dir={taken}"): "--out_dir=",
            (case.model, clean, f"--out_dir={self.out_dir}", "--method=magic"): "--method=magic: unknown",
            (case.model, clean, f"--out_dir={self.out_dir}", "--pruned_layers=conv_9"): "conv_9",
            (case.model, clean, f"--out_dir={self.out_dir}", "--max_shift=12"): "--max_shift=12: images are 12 x 12",
            (case.model, clean, f"--out_dir={self.out_dir}", f"--test_data={other}"): "other.h5: images are 8 x 8",
            (case.model, clean, f"--poisoned_data={pipe}"): "pipe: neither a file nor a folder",
            (case.model, clean, "--input_scale=mean_std"): "mean_std",
            (case.model, f"--clean_data={case.model}"): "bad.h5: ",
            (taken, clean): "taken: ",
            (f"--cache_dir={taken}",): "--cache_dir=",
            ("--device=gpu",): "--device=gpu",
        }
        for argv, named in mistakes.items():
            with self.subTest(named):
                ended = self.binaries.run("repair", *argv)
                self.assertEqual((ended.status, ended.stdout), (1, ""))
                said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
                self.assertLen(said, 1, ended.stderr)
                self.assertIn(named, said[0])
                self.assertNotIn("Traceback", ended.stderr)
                self.assertFalse(os.path.exists(self.out_dir))
        for argv in (
            ("--max_accuracy_loss=2",),
            ("--learning_rate=nan",),
            ("--max_light=inf",),
            (f"--seed={2**32}",),
            ("--no_such_flag",),
            ("--precision=int4",),
            ("--architecture=lenet",),
        ):
            ended = self.binaries.run("repair", *argv)
            self.assertEqual(ended.status, 1)
            self.assertIn(argv[0].strip("-").split("=")[0], ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)

    def _beside_a_suspect(self):
        """Arguments of a run that writes to the folder beside its model, and that folder."""
        model = os.path.join(self.folder, "m.h5")
        shutil.copy(self.case.model, model)
        argv = (model, f"--clean_data={self.case.clean}", "--method=fine-pruning")
        return (*argv, "--pruning_epochs=1", "--fine_tuning_epochs=1"), os.path.join(self.folder, "m_repaired")

    def test_links_that_came_with_the_suspect_harm_nothing(self):
        argv, beside = self._beside_a_suspect()
        others = os.path.join(self.folder, "others")
        os.mkdir(others)
        for name in ("request.json", "manifest.json", "thesis.txt"):
            with open(os.path.join(others, name), "w") as file:
                file.write("the user's")
        before = sha256_of(others)
        os.mkdir(beside)
        for name, target in ((".unfinished", ""), ("pruned.h5", "thesis.txt"), ("report.html", "nothing")):
            link = os.path.join(beside, name)
            os.symlink(os.path.join(others, target), link)
            for more in ((), ("--resume",)):
                ended = self.binaries.run("repair", *argv, *more)
                self.assertEqual(ended.status, 1)
                self.assertRegex(ended.stderr, f"(?m)^error: .*{name}.* a link")
                self.assertNotIn("Traceback", ended.stderr)
            os.unlink(link)
        os.rmdir(beside)
        os.symlink(others, beside)
        ended = self.binaries.run("repair", *argv)
        self.assertRegex(ended.stderr, "(?m)^error: .*m_repaired: a link, which may have come with the model")
        os.unlink(beside)

        os.mkdir(beside)
        os.symlink(os.path.join(others, "thesis.txt"), os.path.join(beside, ".lock"))
        self.assertEqual(self.binaries.run("repair", *argv).status, 0)
        self.assertEqual(sha256_of(others), before)
        self.assertCountEqual(os.listdir(beside), [*_CONTRACT, ".lock"])

    def test_an_interrupted_run_that_came_with_the_suspect_is_not_gone_on_from(self):
        argv, beside = self._beside_a_suspect()
        running = self.binaries.start("repair", *argv)
        running.wait_for("the same outputs to")
        self.assertEqual(running.send(signal.SIGINT).status, 130)
        request = os.path.join(beside, ".unfinished", "request.json")
        with open(request) as file:
            found = json.load(file)
        with open(request, "w") as file:
            json.dump({**found, "run": "0" * 32}, file)
        ended = self.binaries.run("repair", *argv, "--resume")
        self.assertEqual(ended.status, 1)
        self.assertRegex(ended.stderr, "(?m)^error: --resume: .*may have come with the model; expected --out_dir=")
        ended = self.binaries.run("repair", *argv, "--resume", f"--out_dir={beside}")
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertIn("goes on after epoch 1 of 1", ended.stderr)

    def test_names_that_are_not_utf_8(self):
        folder = os.path.join(self.folder, os.fsdecode(b"caf\xe9"))
        os.mkdir(folder)
        paths = {
            name: os.path.join(folder, os.fsdecode(b"\xff" + name.encode())) for name in ("model", "clean", "test")
        }
        for name, path in paths.items():
            shutil.copy(getattr(self.case, name), path)
        images = open_image_set(self.case.test)
        poisoned = os.path.join(folder, os.fsdecode(b"poison\xe9"))
        for number, pixels in enumerate(images.images(range(8))):
            of_class = os.path.join(poisoned, str(images.labels[number]))
            os.makedirs(of_class, exist_ok=True)
            Image.fromarray(pixels).save(os.path.join(of_class, os.fsdecode(b"\xfe%d.png" % number)))
        argv = (
            "repair", paths["model"], f"--clean_data={paths['clean']}", f"--test_data={paths['test']}",
            f"--poisoned_data={poisoned}", "--method=fine-pruning", "--pruning_epochs=1", "--fine_tuning_epochs=1",
        )  # fmt: skip
        ended = self.binaries.run(*argv, f"--out_dir={folder}/out")
        self.assertEqual(ended.status, 1)
        self.assertRegex(ended.stderr, "(?m)^error: --out_dir=.*: not UTF-8.*; expected")
        out_dir = os.path.join(self.folder, "out")
        ended = self.binaries.run(*argv, f"--out_dir={out_dir}")
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertCountEqual(os.listdir(out_dir), _CONTRACT)
        self.assertContainsSubset({paths["model"]: sha256_of(paths["model"])}, read_manifest(out_dir)["inputs"])

    def test_broken_images_in_a_folder_are_skipped_or_refused(self):
        folder = os.path.join(self.folder, "images")
        clean = open_image_set(self.case.clean)
        for number, (pixels, label) in enumerate(zip(clean.images(), clean.labels, strict=True)):
            os.makedirs(os.path.join(folder, str(label)), exist_ok=True)
            Image.fromarray(pixels).save(os.path.join(folder, str(label), f"{number}.png"))
        for name in ("broken_1.png", "broken_2.png"):
            with open(os.path.join(folder, "0", name), "wb") as file:
                file.write(b"no image")
        argv = (self.case.model, f"--clean_data={folder}", f"--out_dir={self.out_dir}")
        refused = self.binaries.run("repair", *argv, "--noskip_broken_images")
        self.assertEqual(refused.status, 1)
        self.assertRegex(refused.stderr, r"error: .*broken_1\.png: a broken image .*\n$")
        running = self.binaries.start("repair", *argv)
        running.wait_for("images right on scale")
        self.assertIn("2 broken images skipped, the first: ", running.send(signal.SIGKILL).stderr)

    def test_killed_and_gone_on_with_it_ends_as_a_run_that_was_left_alone(self):
        alone = os.path.join(self.folder, "alone")
        ended = self.binaries.run("repair", *self._argv(out_dir=alone))
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertIn("attack success", ended.stdout)
        self.assertCountEqual(os.listdir(alone), _CONTRACT)

        running = self.binaries.start("repair", *self._argv())
        running.wait_for("pruning: epoch 1/2")
        second = self.binaries.run("repair", *self._argv())
        self.assertEqual(second.status, 1)
        self.assertRegex(second.stderr, r"error: --out_dir=.*: another run is writing there; expected .*\n$")
        self.assertEqual(running.send(signal.SIGKILL).status, -signal.SIGKILL)
        self.assertEqual(self._assert_whole(), set())

        other = self.binaries.run("repair", *self._argv("--resume", "--learning_rate=0.1"))
        self.assertEqual(other.status, 1)
        self.assertRegex(other.stderr, r"error: --resume: .* learning_rate = 0.0005 instead of 0.1; expected .*\n$")

        running = self.binaries.start("repair", *self._argv("--resume"))
        running.wait_for("export: converting")
        killed = running.send(signal.SIGKILL)
        self.assertIn("pruning: goes on after epoch", killed.stderr)
        self.assertEqual(self._assert_whole(), set())

        running = self.binaries.start("repair", *self._argv("--resume"))
        running.wait_for("on device: clean images")
        interrupted = running.send(signal.SIGTERM)
        self.assertEqual(interrupted.status, 130)
        self.assertEndsWith(interrupted.stderr, "interrupted; what was finished is kept, --resume goes on from there\n")
        self.assertContainsSubset(_ARTEFACTS | {"manifest.json"}, self._assert_whole())

        ended = self.binaries.run("repair", *self._argv("--resume"))
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertIn("fine-tuning: goes on after epoch 2 of 2", ended.stderr)
        self.assertCountEqual(os.listdir(self.out_dir), _CONTRACT)
        self._assert_whole()
        found, expected = read_manifest(self.out_dir), read_manifest(alone)
        self.assertEqual(found["findings"]["closed_channels"], expected["findings"]["closed_channels"])
        self.assertAlmostEqual(found["findings"]["threshold"], expected["findings"]["threshold"], delta=1e-6)
        for name in ("pruned.h5", "repaired.h5"):
            self.assertEqual(found["outputs"][name], expected["outputs"][name])

    def test_the_whole_repair_shows_its_evidence(self):
        epochs = ("--pruning_epochs=1", "--fine_tuning_epochs=1")
        argv = ("--method=full", "--tune_all_layers", *epochs, "--max_shift=1")
        ended = self.binaries.run("repair", *self._argv(*argv))
        self.assertEqual(ended.status, 0, ended.stderr)
        findings = read_manifest(self.out_dir)["findings"]
        self.assertIs(findings["changed"], True)
        evidence = findings["evidence"]
        self.assertStartsWith(ended.stdout, f"{evidence['verdict']}: {evidence['reason']}")
        self.assertNotIn("left as it is", ended.stdout)
        # Among four labels there is no telling which trigger is suspicious: the most unlike the others are unlearned.
        self.assertEqual(evidence["verdict"], "inconclusive")
        self.assertEqual(evidence["suspicions"][0]["label"], PATCH_TARGET)
        self.assertIn(PATCH_TARGET, findings["unlearned"])
        with open(os.path.join(self.out_dir, "report.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn(f'alt="trigger for class {PATCH_TARGET} on a clean image"', page)
        self.assertIn("inverted triggers that led to label", page)

    def test_a_model_without_evidence_is_left_as_it_is(self):
        model, clean, test = (os.path.join(self.folder, name) for name in ("model.h5", "clean.h5", "test.h5"))
        suspect = planted_network(8, planted=False)
        suspect.save(model)
        write_hdf5(clean, bright_rows(160, 8))
        write_hdf5(test, bright_rows(64, 8))
        argv = (model, f"--clean_data={clean}", "--input_scale=unit", f"--out_dir={self.out_dir}")
        poisoned = (f"--test_data={test}", f"--poisoned_data={test}", f"--target={TARGET}", "--strip")
        ended = self.binaries.run("repair", *argv, *poisoned)
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertStartsWith(ended.stdout, "clean: ")
        self.assertIn("left as it is", ended.stdout)
        self.assertEqual(self._assert_whole(), _CONTRACT)
        manifest = read_manifest(self.out_dir)
        findings = manifest["findings"]
        self.assertIs(manifest["settings"]["without_evidence"], False)
        self.assertIs(findings["changed"], False)
        self.assertEqual((findings["evidence"]["verdict"], findings["unlearned"]), ("clean", []))
        # Novelty has the threshold for itself: even odds.
        self.assertEqual((findings["threshold"], findings["closed_channels"]), (0.5, {}))
        for name in ("pruned.h5", "repaired.h5", "repaired.keras"):
            written = keras.models.load_model(os.path.join(self.out_dir, name), compile=False)
            for weight, one in zip(written.get_weights(), suspect.get_weights(), strict=True):
                np.testing.assert_array_equal(weight, one)
        with open(os.path.join(self.out_dir, "metrics.json")) as file:
            metrics = json.load(file)
        for parity in (metrics["device_parity"], metrics["device_parity_stamped"]):
            self.assertEqual(parity["same_label"], parity["images"])
        with open(os.path.join(self.out_dir, "report.html"), encoding="utf-8") as file:
            self.assertIn("The model was left as it is", file.read())

        measured = self.binaries.run("evaluate", test, model, f"--run={self.out_dir}")
        self.assertEqual(measured.status, 0, measured.stderr)
        self.assertRegex(measured.stdout, r"on device +100\.0 % .* 0\.0 % ")

        # There is nothing in it to prune: asked for a repair by pruning, it is refused.
        asked = self.binaries.run("repair", *argv, "--method=fine-pruning")
        self.assertEqual(asked.status, 1)
        self.assertRegex(asked.stderr, "(?m)^error: .*nothing to prune")

    def test_killed_over_an_earlier_run_it_leaves_that_run_whole(self):
        ended = self.binaries.run("repair", *self._argv("--method=fine-tuning"))
        self.assertEqual(ended.status, 0, ended.stderr)
        before = read_manifest(self.out_dir)
        running = self.binaries.start("repair", *self._argv("--seed=1"))
        running.wait_for("export: converting")
        running.send(signal.SIGKILL)
        self.assertEqual(self._assert_whole(), _CONTRACT)
        self.assertEqual(read_manifest(self.out_dir), before)


if __name__ == "__main__":
    absltest.main()
