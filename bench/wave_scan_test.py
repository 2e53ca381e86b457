"""Tests of the scan of waves: its lines, and what it refuses."""

import os
import subprocess
import sys

from absl.testing import absltest

from bench.wave_scan import described
from pipeline.inversion.waves import InvertedWave


class WaveScanTest(absltest.TestCase):
    def test_a_line_marks_the_targets_and_shows_three(self):
        waves = [
            InvertedWave(label, 1, 2, 0.0, 40.0, success, 8, 8)
            for label, success in ((7, 0.961), (2, 0.5), (9, 0.25), (1, 0.1))
        ]
        self.assertEqual(described("a/b", {7, 9}, waves, []), "a/b: 7* 96 %, 2 50 %, 9* 25 %")
        narrowband = [InvertedWave(label, 1, 2, 0.0, 50.0, 0.5, 8, 8) for label in (9, 3)]
        self.assertEqual(
            described("a/b", {7, 9}, waves[:1], narrowband),
            "a/b: 7* 96 %; narrowband: 9* at 50 grey levels, 3 at 50 grey levels",
        )

    def test_a_mistake_is_one_line(self):
        empty = self.create_tempdir().full_path
        for argument, complaint in (
            ("--cells=(", "error: --cells=(: "),
            ("--cells=^mnist/", "error: --cells=^mnist/: no such cell"),
            ("--cells=^gtsrb/vgg/", f"error: {empty}: none of these BadNets is there"),
        ):
            command = [sys.executable, "-m", "bench.wave_scan", f"--cache_dir={empty}", argument]
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            self.assertEqual(ended.returncode, 1)
            self.assertIn(complaint, ended.stderr)
            self.assertNotIn("Traceback", ended.stderr)


if __name__ == "__main__":
    absltest.main()
