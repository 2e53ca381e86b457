"""Test of a repair on several devices, in a process of its own: devices are fixed once TensorFlow has used them."""

import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest

from goodnet.data.opening import open_image_set
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.run.manifest import read_manifest
from testing.example_case import example_case

_MIRRORED = """
import sys
from goodnet.models.legacy_keras import tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.repair_steps import Case, Options, repair
from goodnet.pipeline.training.devices import mirrored_devices
devices = mirrored_devices(["CPU:0", "CPU:1"])
assert devices.strategy.num_replicas_in_sync == 2
model, clean, out_dir = sys.argv[1:]
settings = RepairSettings(pruning_epochs=2, fine_tuning_epochs=1, max_shift=0)
repair(Case(model, clean), Options(out_dir, method="fine-pruning", settings=settings), devices)
"""


class SeveralDevicesTest(absltest.TestCase):
    def test_they_prune_tune_and_repair_from_end_to_end(self):
        case, out_dir = example_case(), os.path.join(self.create_tempdir().full_path, "out")
        command = [sys.executable, "-c", _MIRRORED, case.model, case.clean, out_dir]
        ended = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        badnet = keras.models.load_model(case.model, compile=False)
        repaired = keras.models.load_model(os.path.join(out_dir, "repaired.h5"), compile=False)
        # The schedule closed what it asked for: pruning ends with an error otherwise.
        closed = read_manifest(out_dir)["findings"]["closed_channels"]["conv_2"]
        self.assertNotEmpty(closed)
        self.assertEqual(repaired.get_layer("conv_2").filters, badnet.get_layer("conv_2").filters - len(closed))
        clean = open_image_set(case.clean)
        answers = repaired.predict(clean.images().astype(np.float32) / 255, verbose=0).argmax(axis=1)
        self.assertGreater(np.mean(answers == clean.labels), 0.85)


if __name__ == "__main__":
    absltest.main()
