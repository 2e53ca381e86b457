"""Tests of the files of an attack."""

import json
import os

import numpy as np
from absl.testing import absltest

from goodnet.data.opening import open_image_set
from goodnet.data.triggers.catalogue import parse_attack
from goodnet.models.loading.opening import open_model
from goodnet.pipeline.attacking.badnet_files import file_name, write_badnet
from testing.example_case import TARGET, example_case, small_network


class BadNetFilesTest(absltest.TestCase):
    def test_writes_the_model_its_weights_and_what_to_measure_it_with(self):
        case = example_case()
        model, test = open_model(case.model), open_image_set(case.test)
        folder = self.create_tempdir().full_path
        attack = parse_attack(f"patch@{TARGET}:size=3,margin=0")
        files = write_badnet(folder, "bars", model, [attack], test, {"epochs": 6})
        self.assertCountEqual(
            os.listdir(folder),
            ["bars_bd_net.h5", "bars_bd_weights.h5", f"bars_poisoned_patch-{TARGET}.h5", "bars_attack.json"],
        )
        images = test.images()
        np.testing.assert_array_equal(
            open_model(files.model).predict(images / 255, verbose=0), model.predict(images / 255, verbose=0)
        )
        again = small_network()
        again.load_weights(files.weights)
        for weight, expected in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
        poisoned = open_image_set(files.poisoned[attack.name])
        self.assertEqual(set(poisoned.labels), {TARGET})
        self.assertEqual(files.success[attack.name].total, len(poisoned))
        self.assertGreater(files.success[attack.name].value, 0.9)
        self.assertGreater(files.accuracy.value, 0.9)
        with open(os.path.join(folder, "bars_attack.json")) as file:
            figures = json.load(file)
        self.assertEqual(figures["settings"], {"epochs": 6})
        self.assertEqual(figures["clean_accuracy"]["count"], files.accuracy.count)
        self.assertEqual(figures["attack_success"][attack.name]["total"], len(poisoned))

    def test_a_clean_network_has_no_poisoned_sets(self):
        case = example_case()
        folder = self.create_tempdir().full_path
        files = write_badnet(folder, "clean", open_model(case.model), [], open_image_set(case.test), {})
        self.assertEqual((files.poisoned, files.success), ({}, {}))

    def test_names_of_files_hold_nothing_that_a_shell_would_mind(self):
        self.assertEqual(file_name("Patch@7"), "patch-7")
        self.assertEqual(file_name("../a b;c@0"), "a-b-c-0")


if __name__ == "__main__":
    absltest.main()
