"""A tiny grid on tiny data, by the binaries as they are."""

import csv
import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import ImageSet, from_arrays

_CLASSES = 10


def _colours(count: int, seed: int) -> ImageSet:
    """Noisy images, uint8 [count, 15, 15, 3]: each class has a colour of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % _CLASSES
    colours = np.random.default_rng(0).integers(0, 256, (_CLASSES, 3))
    images = colours[labels][:, None, None] + rng.normal(0, 15, (count, 15, 15, 3))
    return from_arrays(f"colours {seed}", np.clip(images, 0, 255).astype(np.uint8), labels)


class DefensesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.results = os.path.join(self.folder, "rows.csv")

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if name != "SHARED_DATA"}
        return subprocess.run(
            [
                *(sys.executable, "-m", "bench.defenses"),
                f"--results={self.results}",
                f"--cache_dir={os.path.join(self.folder, 'cache')}",
                *arguments,
            ],
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )

    def _rows(self) -> list[dict[str, str]]:
        with open(self.results, newline="") as file:
            return list(csv.DictReader(file))

    def test_cells_are_run_once_a_failed_one_stops_no_other_and_figures_are_summed_up(self):
        signs = os.path.join(self.folder, "gtsrb")
        os.makedirs(signs)
        for seed, (name, count) in enumerate((("train", 800), ("clean_validation", 100), ("clean_test", 100))):
            write_hdf5(os.path.join(signs, f"{name}.h5"), _colours(count, seed))
        # A patch of 16 pixels has no room on images of 15.
        arguments = (f"--data_dir={self.folder}", "--cells=/(large-)?patch/.*/fine-tuning")
        ended = self._run(*arguments)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("gtsrb/vgg/large-patch/seed0/fine-tuning: error: ", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)
        (row,) = self._rows()
        self.assertEqual(row["cell"], "gtsrb/vgg/patch/seed0/fine-tuning")
        self.assertEqual((row["clean_images"], row["clean_percent"]), ("40", "5"))
        for name in ("acc_before", "acc_after", "asr_before", "asr_after", "ra", "tpr", "fpr"):
            self.assertBetween(float(row[name]), 0, 1, name)
        self.assertGreater(float(row["acc_before"]), 0.5)
        self.assertEqual(row["strength"], "strong" if float(row["asr_before"]) >= 0.9 else "weak")
        self.assertGreater(float(row["seconds"]), 0)
        self.assertIn("| gtsrb/vgg/patch/seed0/fine-tuning | 5 %", ended.stdout)
        with open(os.path.join(self.folder, "rows.md")) as file:
            self.assertIn("| gtsrb/vgg/patch/seed0/fine-tuning | 5 %", file.read())

        listed = self._run("--list", *arguments).stdout.splitlines()
        self.assertEqual([line.startswith("done") for line in listed], [True, False])
        # What has a row is not run again, and neither is its BadNet's training.
        again = self._run(f"--data_dir={self.folder}", "--cells=/patch/.*/fine-tuning")
        self.assertEqual((again.returncode, self._rows()), (0, [row]))
        left = [name for _, _, names in os.walk(os.path.join(self.folder, "cache")) for name in names]
        self.assertEqual(left.count("badnet_bd_net.h5"), 1)
        self.assertNotIn("detector.tflite", left)
        self.assertIn("report.html", left)

    def test_mistakes_are_one_line(self):
        for arguments, named in (
            (("--cells=mnist",), "--cells=mnist: no such cell"),
            (("--cells=(",), "expected a regular expression"),
            (("--cells=^gtsrb/vgg/patch/seed0/full",), "--data_dir: missing"),
        ):
            ended = self._run(*arguments)
            said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
            self.assertEqual((ended.returncode, len(said)), (1, 1), ended.stderr)
            self.assertIn(named, said[0])


if __name__ == "__main__":
    absltest.main()
