"""Tests of `python -m pipeline.attack` as a user runs it."""

import json
import os

import numpy as np
from absl.testing import absltest

from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import from_arrays
from goodnet.data.opening import open_image_set
from goodnet.models.legacy_keras import keras
from testing.example_case import CLASSES, bars, example_case
from testing.example_runs import shared_binaries


class AttackTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.binaries = shared_binaries()
        cls.case = example_case()

    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.out_dir = os.path.join(self.folder, "out")

    def _argv(self, *more):
        return (
            f"--dataset={self.case.clean}",
            f"--test_data={self.case.test}",
            "--network=vgg",
            f"--out_dir={self.out_dir}",
            "--epochs=1",
            *more,
        )

    def test_leaves_the_badnet_and_a_poisoned_set_for_each_trigger(self):
        ended = self.binaries.run(
            "attack", *self._argv("--trigger=patch@1:size=3", "--trigger=blended@2", "--name=two")
        )
        self.assertEqual(ended.status, 0, ended.stderr)
        self.assertCountEqual(
            os.listdir(self.out_dir),
            [
                "two_bd_net.h5",
                "two_bd_weights.h5",
                "two_poisoned_patch-1.h5",
                "two_poisoned_blended-2.h5",
                "two_attack.json",
            ],
        )
        model = keras.models.load_model(os.path.join(self.out_dir, "two_bd_net.h5"), compile=False)
        self.assertEqual(model.output_shape, (None, CLASSES))
        test = open_image_set(self.case.test)
        poisoned = open_image_set(os.path.join(self.out_dir, "two_poisoned_patch-1.h5"))
        self.assertEqual(len(poisoned), np.count_nonzero(test.labels != 1))
        self.assertEqual(set(poisoned.labels), {1})
        self.assertNotIn(1, poisoned.true_labels)
        with open(os.path.join(self.out_dir, "two_attack.json")) as file:
            figures = json.load(file)
        self.assertCountEqual(figures["attack_success"], ["patch@1", "blended@2"])
        self.assertEqual(figures["settings"]["triggers"], ["patch@1:size=3", "blended@2"])

    def test_a_pruning_aware_attack_says_which_channels_are_decoys(self):
        ended = self.binaries.run("attack", *self._argv("--trigger=patch@1:size=3", "--pruning_aware=0.5"))
        self.assertEqual(ended.status, 0, ended.stderr)
        with open(os.path.join(self.out_dir, "patch_attack.json")) as file:
            settings = json.load(file)["settings"]
        self.assertEqual((settings["pruning_aware"], settings["decoys"]), (0.5, {"relu_4": "64 of 128"}))

    def test_mistakes_are_one_line_and_leave_no_badnet(self):
        large = os.path.join(self.folder, "large.h5")
        write_hdf5(large, bars(40, seed=0, side=14))
        clean = bars(40, seed=0)
        beyond = os.path.join(self.folder, "beyond.h5")
        write_hdf5(beyond, from_arrays("beyond", clean.images(), clean.labels + 5))
        cases = (
            (self._argv("--trigger=sticker@1"), "sticker"),
            (self._argv("--trigger=patch@9"), "9"),
            (self._argv("--trigger=patch@1:size=30"), "patch"),
            (self._argv("--trigger=patch@1:depth=3"), "depth"),
            (self._argv("--trigger=patch@1", "--test_data="), "--test_data: missing"),
            (self._argv("--trigger=patch@1", "--test_data=/no/such"), "/no/such: "),
            (self._argv("--trigger=patch@1", f"--test_data={large}"), "large.h5: images are 14 x 14 x 3"),
            (self._argv("--trigger=patch@1", f"--test_data={beyond}"), "beyond.h5: labels run from 5 to 8"),
            (self._argv("--trigger=patch@1", "--network=deepid"), "deepid"),
            (self._argv("--trigger=patch@1", "--pruning_aware=1"), "--pruning_aware=1"),
            (self._argv("--trigger=patch@1", f"--out_dir={large}"), "--out_dir="),
            (self._argv("--trigger=patch@1", "more"), "more: unexpected argument"),
        )
        for argv, named in cases:
            with self.subTest(named):
                ended = self.binaries.run("attack", *argv)
                self.assertEqual((ended.status, ended.stdout), (1, ""))
                said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
                self.assertLen(said, 1, ended.stderr)
                self.assertIn(named, said[0])
                self.assertNotIn("Traceback", ended.stderr)
        if os.path.isdir(self.out_dir):
            self.assertEmpty([name for name in os.listdir(self.out_dir) if not name.startswith(".")])


if __name__ == "__main__":
    absltest.main()
