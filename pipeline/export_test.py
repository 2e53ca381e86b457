"""Tests of `python -m pipeline.export` as a user runs it."""

import os
import zipfile

import numpy as np
from absl.testing import absltest

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import from_arrays
from goodnet.export.bundle import read_card
from goodnet.export.runtime import TfliteFile
from goodnet.models.detector import build_detector
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.saving import save_network
from goodnet.pipeline.faithful_export_test import network_with_scales
from testing.example_runs import binaries


class ExportTest(absltest.TestCase):
    def test_nothing_is_written_that_does_not_answer_as_keras(self):
        folder = self.create_tempdir().full_path
        model, clean, output = (os.path.join(folder, name) for name in ("detector.keras", "clean.h5", "out.tflite"))
        images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), np.uint8)
        write_hdf5(clean, from_arrays("noise", images, np.arange(40) % 4))
        network = network_with_scales(images)
        save_network(build_detector(network, network, UNIT_SCALE, 0.9), model)
        argv = (f"--model={model}", f"--clean_data={clean}", f"--output={output}")
        with binaries() as started:
            refused = started.run("export", *argv, "--precision=int8")
            self.assertEqual(refused.status, 1)
            self.assertRegex(refused.stderr, "error: --precision=int8: the same label on .* such as float16\n$")
            self.assertFalse(os.path.exists(output))
            alone = os.path.join(folder, "scores.tflite")
            bundle = os.path.join(folder, "device.zip")
            twice = started.run("export", *argv, f"--bundle={output}")
            self.assertEqual(twice.status, 1)
            self.assertRegex(twice.stderr, "error: --bundle=.*: the file of --output, too; expected another one\n$")
            self.assertFalse(os.path.exists(output))
            ended = started.run("export", *argv, f"--image_classifier={alone}", f"--bundle={bundle}")
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertIn("warning: export: float16 is written instead of int8", ended.stderr)
        self.assertEqual(read_card(output).precision, "float16")
        whole, scores = (TfliteFile(path) for path in (output, alone))
        self.assertEqual(scores.outputs, {"scores"})
        with zipfile.ZipFile(bundle) as archive, open(output, "rb") as file:
            self.assertEqual(archive.read("detector.tflite"), file.read())
        for image in images[:5]:
            self.assertEqual(scores.run(image)["scores"].argmax(), whole.run(image)["label"])


if __name__ == "__main__":
    absltest.main()
