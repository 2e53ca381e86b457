"""A tiny grid on tiny data, by the binaries as they are."""

import csv
import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest

from data.hdf5 import write_hdf5
from data.image_set import ImageSet, from_arrays

_CLASSES = 20


def _coloured_squares(count: int, seed: int) -> ImageSet:
    """Noisy images, uint8 [count, 32, 32, 3]: where a square is and its colour tell the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % _CLASSES
    images = rng.normal(90, 15, (count, 32, 32, 3))
    for image, label in zip(images, labels, strict=True):
        place, colour = divmod(int(label), 3)
        row, column = divmod(place, 3)
        image[2 + 8 * row : 10 + 8 * row, 2 + 8 * column : 10 + 8 * column, colour] += 130
    return from_arrays(f"squares {seed}", np.clip(images, 0, 255).astype(np.uint8), labels)


class DefensesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.results = os.path.join(self.folder, "rows.csv")

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                *(sys.executable, "-m", "bench.defenses"),
                f"--results={self.results}",
                f"--cache_dir={os.path.join(self.folder, 'cache')}",
                *arguments,
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )

    def _rows(self) -> list[dict[str, str]]:
        with open(self.results, newline="") as file:
            return list(csv.DictReader(file))

    def test_cells_are_run_once_a_failed_one_stops_no_other_and_figures_are_summed_up(self):
        data = os.path.join(self.folder, "signs")
        os.makedirs(data)
        for seed, (name, count) in enumerate((("train", 400), ("clean_validation", 200), ("clean_test", 100))):
            write_hdf5(os.path.join(data, f"{name}.h5"), _coloured_squares(count, seed))
        # 5 % of 400 images are one for each of twenty classes: they cannot be split.
        arguments = (f"--gtsrb_dir={data}", "--cells=^gtsrb/deepid/patch/seed0/.*/fine-tuning")
        ended = self._run(*arguments)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("gtsrb/deepid/patch/seed0/5%/fine-tuning: error: ", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)
        (row,) = self._rows()
        self.assertEqual((row["cell"], row["role"]), ("gtsrb/deepid/patch/seed0/all/fine-tuning", "development"))
        self.assertEqual((row["clean_images"], row["targets"], row["clean"]), ("200", "1", "all"))
        for name in ("acc_before", "acc_after", "asr_before", "asr_after", "ra_after", "der", "tpr", "fpr", "auroc"):
            self.assertBetween(float(row[name]), 0, 1, name)
        self.assertGreater(float(row["acc_before"]), 0.9)
        self.assertEqual(row["strength"], "strong" if float(row["asr_before"]) >= 0.9 else "weak")
        self.assertGreater(float(row["seconds"]), 0)
        self.assertIn("### development, clean data all", ended.stdout)
        with open(os.path.join(self.folder, "rows.md")) as file:
            self.assertIn("| fine-tuning |", file.read())
        with open(os.path.join(self.folder, "rows.png"), "rb") as file:
            self.assertTrue(file.read().startswith(b"\x89PNG"))

        listed = self._run("--list", *arguments).stdout.splitlines()
        self.assertEqual([line.startswith("done") for line in listed], [False, True])
        # What has a row is not run again, and neither is its BadNet's training.
        again = self._run(f"--gtsrb_dir={data}", "--cells=^gtsrb/deepid/patch/seed0/all/fine-tuning")
        self.assertEqual((again.returncode, self._rows()), (0, [row]))
        left = [name for _, _, names in os.walk(os.path.join(self.folder, "cache")) for name in names]
        self.assertEqual(left.count("badnet_bd_net.h5"), 1)
        self.assertNotIn("detector.tflite", left)
        self.assertIn("report.html", left)

    def test_mistakes_are_one_line(self):
        for arguments, named in (
            (("--cells=mnist",), "--cells=mnist: no such cell"),
            (("--cells=(",), "expected a regular expression"),
            (("--cells=^gtsrb/vgg/patch/seed0/5%/full",), "--gtsrb_dir: missing"),
        ):
            ended = self._run(*arguments)
            said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
            self.assertEqual((ended.returncode, len(said)), (1, 1), ended.stderr)
            self.assertIn(named, said[0])


if __name__ == "__main__":
    absltest.main()
