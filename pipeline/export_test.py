"""Tests of `python -m pipeline.export` as a user runs it."""

import os
import zipfile

import numpy as np
from absl.testing import absltest

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import from_arrays
from goodnet.export.bundle import DetectorCard, add_bundle, read_card
from goodnet.export.runtime import TfliteFile
from goodnet.models.detector import build_detector
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.saving import save_network
from goodnet.pipeline import export
from goodnet.pipeline.exporting.faithful_export_test import network_with_scales
from goodnet.pipeline.run.output_files import sha256_of, write_bytes
from testing.example_runs import shared_binaries


class ExportTest(absltest.TestCase):
    def test_nothing_is_written_that_does_not_answer_as_keras(self):
        folder = self.create_tempdir().full_path
        model, clean, output = (os.path.join(folder, name) for name in ("detector.keras", "clean.h5", "out.tflite"))
        images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), np.uint8)
        write_hdf5(clean, from_arrays("noise", images, np.arange(40) % 4))
        network = network_with_scales(images)
        save_network(build_detector(network, network, UNIT_SCALE, 0.9), model)
        argv = (f"--model={model}", f"--clean_data={clean}", f"--output={output}")
        started = shared_binaries()
        refused = started.run("export", *argv, "--precision=int8")
        self.assertEqual(refused.status, 1)
        self.assertRegex(refused.stderr, "error: --precision=int8: the same label on .* such as float16\n$")
        self.assertFalse(os.path.exists(output))
        alone = os.path.join(folder, "scores.tflite")
        bundle = os.path.join(folder, "device.zip")
        twice = started.run("export", *argv, f"--bundle={output}")
        self.assertEqual(twice.status, 1)
        self.assertRegex(twice.stderr, "error: --bundle=.*: the file of --output, too; expected another one\n$")
        nowhere = started.run("export", *argv, f"--bundle={folder}/none/device.zip")
        self.assertEqual(nowhere.status, 1)
        self.assertRegex(nowhere.stderr, "error: --bundle=.*/none/device.zip: No such file or directory; expected ")
        self.assertFalse(os.path.exists(output))
        replacing = started.run("export", *argv, f"--image_classifier={model}")
        self.assertRegex(replacing.stderr, "error: --image_classifier=.*: the file of --model, too; expected ")
        ended = started.run("export", *argv, f"--image_classifier={alone}", f"--bundle={bundle}")
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertIn("warning: export: float16 is written instead of int8", ended.stderr)
        self.assertEqual(read_card(output).precision, "float16")
        # Nothing tells of which suspect it is the detector.
        self.assertIsNone(read_card(output).suspect_sha256)
        whole, scores = (TfliteFile(path) for path in (output, alone))
        self.assertEqual(scores.outputs, {"scores"})
        with zipfile.ZipFile(bundle) as archive, open(output, "rb") as file:
            self.assertEqual(archive.read("detector.tflite"), file.read())
        for image in images[:5]:
            self.assertEqual(scores.run(image)["scores"].argmax(), whole.run(image)["label"])

    def test_the_suspect_is_that_of_the_card_beside_the_same_detector(self):
        folder = self.create_tempdir().full_path
        model, beside = (os.path.join(folder, f"detector.{suffix}") for suffix in ("keras", "tflite"))
        write_bytes(model, b"a detector")
        self.assertIsNone(export.suspect_of(model))
        card = DetectorCard(4, (6, 6, 3), "int8", 0.5, keras_sha256=sha256_of(model), suspect_sha256="ab" * 32)
        write_bytes(beside, add_bundle(b"\x1c\0\0\0TFL3", card))
        self.assertEqual(export.suspect_of(model), "ab" * 32)
        write_bytes(model, b"another detector")
        self.assertIsNone(export.suspect_of(model))
        write_bytes(beside, b"damaged")
        self.assertIsNone(export.suspect_of(model))


if __name__ == "__main__":
    absltest.main()
