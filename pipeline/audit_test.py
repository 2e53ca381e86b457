"""Tests of `python -m pipeline.audit` as a user runs it, on a network whose trigger is known."""

import json
import math
import os
import pathlib
import signal

from absl.testing import absltest

from goodnet.data.hdf5 import write_hdf5
from testing.example_runs import shared_binaries
from testing.planted_network import TARGET, bright_rows, planted_network

_CLASSES = 8


class AuditTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.binaries = shared_binaries()

    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.model = os.path.join(self.folder, "bad.h5")
        self.clean = os.path.join(self.folder, "clean.h5")
        planted_network(_CLASSES).save(self.model)
        write_hdf5(self.clean, bright_rows(96, _CLASSES))

    def test_evidence_and_exit_status(self):
        out_dir = os.path.join(self.folder, "audit")
        argv = (self.model, f"--clean_data={self.clean}", f"--out_dir={out_dir}", "--input_scale=unit")
        ended = self.binaries.run("audit", *argv, "--fail_on=backdoor")
        self.assertEqual(ended.status, 3, ended.stderr)
        self.assertTrue(ended.stdout.startswith("backdoor:"))
        with open(os.path.join(out_dir, "audit.json")) as file:
            audit = json.load(file)
        self.assertEqual((audit["schema_version"], audit["verdict"], audit["targets"]), (4, "backdoor", [TARGET]))
        first = audit["suspicions"][0]
        self.assertEqual(first["label"], TARGET)
        self.assertGreater(first["index"], audit["rule"]["alarm_index"])
        self.assertGreater(first["held_out"]["value"], audit["rule"]["least_success_held_out"])
        for suspicion in audit["suspicions"]:
            for picture in suspicion["pictures"]:
                self.assertTrue(os.path.exists(os.path.join(out_dir, picture)))
        self.assertNotIn(".unfinished", os.listdir(out_dir))
        rule = audit["rule"]
        self.assertLess(math.exp(rule["doubt_index"] * audit["ordinary_spread"]), rule["visible_ratio"])

        for stale in ("trigger_900.png", "trigger_900_on_image.png", "trigger_of_mine.png"):
            pathlib.Path(out_dir, stale).write_bytes(b"")
        self.assertEqual(self.binaries.run("audit", *argv).status, 0)
        pictures = {one for suspicion in audit["suspicions"] for one in suspicion["pictures"]}
        self.assertEqual(set(os.listdir(out_dir)), {"audit.json", "trigger_of_mine.png", *pictures})

    def test_a_clean_network(self):
        planted_network(_CLASSES, planted=False).save(self.model)
        out_dir = os.path.join(self.folder, "audit")
        argv = (self.model, f"--clean_data={self.clean}", f"--out_dir={out_dir}", "--input_scale=unit")
        ended = self.binaries.run("audit", *argv, "--fail_on=backdoor")
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertTrue(ended.stdout.startswith("clean:"), ended.stdout)

    def test_an_interrupted_audit_goes_on_and_another_one_does_not(self):
        out_dir = os.path.join(self.folder, "interrupted")
        argv = (self.model, f"--clean_data={self.clean}", f"--out_dir={out_dir}", "--input_scale=unit")
        ended = self.binaries.start("audit", *argv, killed_at=10**6, folder=out_dir).wait()
        self.assertEqual(ended.status, 0, ended.stderr)
        with open(out_dir + ".changes") as file:
            changes = file.read().splitlines()
        searched = next(number for number, change in enumerate(changes, 1) if "triggers" in change)
        interrupted = self.binaries.start(
            "audit", *argv, killed_at=searched, folder=out_dir, killed_by=signal.SIGINT
        ).wait()
        self.assertEqual(interrupted.status, 130)
        self.assertEndsWith(interrupted.stderr, "interrupted; what was finished is kept, --resume goes on from there\n")

        first_picture = next(number for number, change in enumerate(changes, 1) if " trigger_" in change)
        ended = self.binaries.start("audit", *argv, killed_at=first_picture, folder=out_dir).wait()
        self.assertEqual(ended.status, -signal.SIGKILL)
        kept = os.path.join(out_dir, ".unfinished", "triggers.npz")
        before = os.stat(kept).st_mtime_ns

        refused = self.binaries.run("audit", *argv, "--resume", "--seed=5")
        self.assertEqual(refused.status, 1)
        self.assertIn("--resume: the run interrupted in", refused.stderr)
        running = self.binaries.start("audit", *argv, "--resume")
        running.wait_for("evidence: label")
        self.assertEqual(os.stat(kept).st_mtime_ns, before)
        ended = running.wait()
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertTrue(ended.stdout.startswith("backdoor:"))

    def test_a_mistake_is_one_line(self):
        for argv, complaint in (
            ((), "--model: missing"),
            ((self.model,), "--clean_data: missing"),
            ((self.model, "--clean_data=nowhere.h5"), "nowhere.h5: not found"),
            ((self.model, "--batch_size=3"), "--batch_size: not a flag of this command"),
        ):
            ended = self.binaries.run("audit", *argv)
            self.assertEqual(ended.status, 1)
            self.assertIn(f"error: {complaint}", ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)


if __name__ == "__main__":
    absltest.main()
