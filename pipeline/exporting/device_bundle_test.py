"""Tests of the archive for a device: unpacked and used as its README says."""

import dataclasses
import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from absl.testing import absltest
from PIL import Image

from goodnet.export.answers import Detector
from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_detector
from goodnet.models.detector import build_detector
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.exporting import device_bundle

_THRESHOLD = 0.5


def _network():
    image = keras.Input((8, 6, 3))
    features = keras.layers.Conv2D(4, 3, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(features)))


class DeviceBundleTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(0)
        detector = build_detector(_network(), _network(), UNIT_SCALE, _THRESHOLD)
        card = DetectorCard(3, (8, 6, 3), "float32", threshold=_THRESHOLD, class_names=("a", "b", "c"))
        tflite = add_bundle(convert_detector(detector, precision="float32"), card)
        cls.bundle = device_bundle.device_bundle(tflite, card)
        cls.again = device_bundle.device_bundle(tflite, card)
        cls.of_suspect = device_bundle.device_bundle(tflite, dataclasses.replace(card, suspect_sha256="ab" * 32))

    def setUp(self):
        super().setUp()
        self.folder = Path(self.create_tempdir().full_path)
        archive = self.folder / "bundle.zip"
        archive.write_bytes(self.bundle)
        with zipfile.ZipFile(archive) as unpacked:
            unpacked.extractall(self.folder)
        pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
        Image.fromarray(pixels).save(self.folder / "photo.png")
        self.expected = Detector(str(self.folder / "detector.tflite")).detect(pixels)

    def _python(self, *arguments):
        """In the unpacked folder, with nothing of this project to be found elsewhere."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_the_runner_says_what_the_runtime_says(self):
        ended = self._python("detect.pyz", "--model=detector.tflite", "--names", "photo.png")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        label = (*"abc", "backdoor")[self.expected.label]
        self.assertEqual(ended.stdout.split("\t")[:2], ["photo.png", label])
        self.assertEqual(self._python("detect.pyz", "--model=photo.png", "photo.png").returncode, 3)

    def test_a_detector_that_did_not_arrive_whole_is_refused_and_noticed(self):
        path = self.folder / "detector.tflite"
        whole = path.read_bytes()
        for name, damaged in (
            ("cut", whole[: len(whole) // 2]),
            ("end", whole[:-1]),
            ("flipped", whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]),
        ):
            path.write_bytes(damaged)
            ended = self._python("detect.pyz", "--model=detector.tflite", "photo.png")
            self.assertEqual((ended.returncode, ended.stdout), (3, ""), name)
            self.assertRegex(ended.stderr, "detect: detector.tflite: (it has no card|its graph is not the one)")
            self.assertFalse(self._sums_are_right(), name)
        path.write_bytes(whole)
        self.assertTrue(self._sums_are_right())

    def _sums_are_right(self):
        lines = (self.folder / "SHA256SUMS").read_text().splitlines()
        self.assertLen(lines, 5)
        return all(
            hashlib.sha256((self.folder / name).read_bytes()).hexdigest() == digest
            for digest, name in (line.split("  ") for line in lines)
        )

    def test_the_readme_names_the_suspect_where_it_is_known(self):
        with zipfile.ZipFile(io.BytesIO(self.of_suspect)) as archive:
            self.assertIn("The suspect's file has the SHA-256 `abab", archive.read("README.md").decode())
        self.assertNotIn("SHA-256 `", (self.folder / "README.md").read_text())

    def test_the_program_in_the_readme_runs(self):
        (program,) = re.findall(r"```python\n(.*?)```", (self.folder / "README.md").read_text(), re.DOTALL)
        ended = self._python("-c", program)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(ended.stdout.split()[0], str(self.expected.label))

    def test_the_archive_holds_what_a_device_needs_and_nothing_else(self):
        names = {path.name for path in self.folder.iterdir()} - {"bundle.zip", "photo.png"}
        self.assertEqual(
            names, {"detector.tflite", "detect.pyz", "labels.txt", "requirements.txt", "README.md", "SHA256SUMS"}
        )
        self.assertEqual((self.folder / "labels.txt").read_text(), "a\nb\nc\nbackdoor\n")
        with zipfile.ZipFile(self.folder / "detect.pyz") as runner:
            sources = [runner.read(name).decode() for name in runner.namelist()]
        self.assertFalse([source for source in sources if re.search("^(import|from) tensorflow", source, re.MULTILINE)])
        self.assertEqual(self.bundle, self.again)

    def test_the_runtimes_are_those_of_the_requirements_files(self):
        root = Path(__file__).resolve().parents[2]
        pinned = {
            found
            for name in ("requirements-device.txt", "requirements-device-litert.txt")
            for found in re.findall(r"^[\w-]+==[\d.]+", (root / name).read_text(), re.MULTILINE)
        }
        self.assertEqual(set(re.findall(r"^[\w-]+==[\d.]+", device_bundle.REQUIREMENTS, re.MULTILINE)), pinned)


if __name__ == "__main__":
    absltest.main()
