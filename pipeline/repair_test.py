"""Tests of `python -m pipeline.repair` as a user runs it: mistakes, interruptions, kills, going on."""

import os
import signal

from absl.testing import absltest
from PIL import Image

from data.opening import open_image_set
from pipeline.example_case import example_case
from pipeline.example_runs import binaries
from pipeline.manifest import read_manifest
from pipeline.outputs import sha256_of

_ARTEFACTS = frozenset({"pruned.h5", "repaired.h5", "repaired.keras", "detector.keras", "detector.tflite"})
_CONTRACT = _ARTEFACTS | {"manifest.json", "metrics.json", "report.html"}


class RepairTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.binaries = cls.enterClassContext(binaries())
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
        self.assertContainsSubset(hidden, {".lock", ".unfinished"})
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
        for argv in (("--max_accuracy_loss=2",), ("--no_such_flag",), ("--precision=int4",), ("--architecture=lenet",)):
            ended = self.binaries.run("repair", *argv)
            self.assertEqual(ended.status, 1)
            self.assertIn(argv[0].strip("-").split("=")[0], ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)

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
        running.wait_for("clean images right on scale")
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
        running.wait_for("export: same label")
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
