"""Tests of the whole repair on a small BadNet: the backdoor goes, clean accuracy stays, a resumed run ends alike."""

import os

import numpy as np
from absl.testing import absltest

from data.opening import open_image_set
from models.input_scale import DEFAULT_SCALES
from pipeline.example_case import example_case
from pipeline.measuring.predictions import predict_classifier
from pipeline.methods.full import _suspected, full
from pipeline.methods.repair_method import RepairSettings
from pipeline.suspect import open_suspect
from pipeline.training.devices import select_devices


class FullTest(absltest.TestCase):
    def test_of_many_labels_none_of_which_stands_out_more_are_suspects(self):
        few = _suspected(43, stands_out=False)
        self.assertEqual(_suspected(43, stands_out=True), few)
        self.assertEqual(_suspected(1283, stands_out=True), few)
        most, least_index = _suspected(1283, stands_out=False)
        self.assertEqual((most, least_index), (8, 0.0))
        self.assertLess(few[0], most)

    def test_the_backdoor_goes_and_clean_accuracy_stays(self):
        case = example_case()
        clean, poisoned = open_image_set(case.clean), open_image_set(case.poisoned)
        suspect = open_suspect(case.model, clean, DEFAULT_SCALES)
        before = [weight.copy() for weight in suspect.model.get_weights()]
        scale = suspect.scale.chosen
        folder = self.create_tempdir().full_path
        arguments = (suspect, clean, RepairSettings(pruning_epochs=2, max_shift=0), select_devices("cpu"), folder)
        repair = full(*arguments)

        def accuracy(model, image_set):
            return (predict_classifier(model, scale, image_set) == image_set.labels).mean()

        test = open_image_set(case.test)
        self.assertGreater(accuracy(repair.repaired, test), accuracy(suspect.model, test) - 0.1)
        self.assertGreater(accuracy(suspect.model, poisoned), 0.8)
        self.assertLess(accuracy(repair.repaired, poisoned), 0.3)
        self.assertEqual(set(repair.history), {"pruning", "unlearning"})
        for weight, was in zip(suspect.model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, was, "the suspect was changed")

        self.assertTrue(os.path.exists(os.path.join(folder, "screening", "patches.npz")))
        again = full(*arguments)
        for left, right in zip(repair.repaired.get_weights(), again.repaired.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


if __name__ == "__main__":
    absltest.main()
