"""Tests of the whole repair: the backdoor goes, clean accuracy stays, a clean network stays as it is."""

import os
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import ImageSet
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.saving import save_network
from goodnet.pipeline.inputs.suspect import Suspect, open_suspect
from goodnet.pipeline.inversion.verdict import BACKDOOR, CLEAN, INCONCLUSIVE, Verdict
from goodnet.pipeline.methods.full import full, labels_to_unlearn
from goodnet.pipeline.methods.repair_method import Repair, RepairSettings
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig
from testing.example_record import example_evidence
from testing.planted_network import TARGET, bright_rows, planted_network, with_planted_trigger

_CLASSES = 8
_CLEAN = bright_rows(96, _CLASSES)
_TEST = bright_rows(80, _CLASSES, seed=1)
_SETTINGS = RepairSettings(
    pruning_epochs=2, fine_tuning_epochs=4, learning_rate=0.3, batch_size=32, max_shift=0, max_zoom=0
)
_QUICK = replace(_SETTINGS, fine_tuning_epochs=0)


class FullTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def _suspect(self, clean: ImageSet = _CLEAN, planted: bool = True) -> Suspect:
        path = os.path.join(self.folder, "suspect.h5")
        save_network(planted_network(_CLASSES, planted=planted, softmax=True, convolution=True), path)
        return open_suspect(path, clean, [UNIT_SCALE])

    def _repair(self, suspect: Suspect, clean: ImageSet = _CLEAN, settings: RepairSettings = _SETTINGS) -> Repair:
        before = [weight.copy() for weight in suspect.model.get_weights()]
        run = RunConfig(select_devices("cpu").strategy, 0, os.path.join(self.folder, "kept"))
        repair = full(suspect, clean, settings, run)
        for weight, one in zip(suspect.model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, one, "the suspect was changed")
        return repair

    def test_the_backdoor_goes_and_clean_accuracy_stays_and_a_resumed_run_ends_alike(self):
        suspect = self._suspect()
        repair = self._repair(suspect)
        self.assertEqual((repair.evidence.verdict.name, repair.evidence.verdict.targets), (BACKDOOR, (TARGET,)))
        self.assertFalse(repair.unchanged)
        self.assertEqual(set(repair.history), {"pruning", "unlearning"})
        self.assertLess(repair.repaired.count_params(), suspect.model.count_params())
        self.assertEqual({one.label for one in repair.triggers}, {TARGET})
        self.assertEqual(_success(suspect.model), 1)
        self.assertLess(_success(repair.repaired), 0.1)
        self.assertGreater(_accuracy(repair.repaired), 0.95)

        again = self._repair(suspect)
        self.assertEqual(again.history, repair.history)
        for left, right in zip(repair.repaired.get_weights(), again.repaired.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)

    def test_a_clean_network_comes_back_as_it_is_unless_a_repair_is_asked_for(self):
        suspect = self._suspect(planted=False)
        repair = self._repair(suspect)
        self.assertEqual(repair.evidence.verdict.name, CLEAN)
        self.assertTrue(repair.unchanged)
        self.assertIs(repair.repaired, suspect.model)
        self.assertIs(repair.pruned, suspect.model)
        self.assertEqual((repair.triggers, dict(repair.history), repair.pruning), ((), {}, None))

        asked = self._repair(suspect, settings=replace(_QUICK, without_evidence=True))
        self.assertEqual(asked.evidence.verdict.name, CLEAN)
        self.assertFalse(asked.unchanged)
        self.assertNotEmpty(asked.triggers)
        self.assertGreater(_accuracy(asked.repaired), 0.95)

    def test_settings_reach_what_they_set(self):
        settings = replace(
            _SETTINGS, pruned_layers=("sums",), tune_batch_norm=True, tune_all_layers=True, fine_tuning_epochs=3
        )
        some = self._repair(self._suspect(), settings=settings)
        self.assertEqual(set(some.pruning.closed), {"sums"})
        self.folder = self.create_tempdir().full_path
        none = self._repair(self._suspect(), settings=replace(settings, fine_tuning_epochs=0))
        self.assertEqual(len(some.history["unlearning"]) - len(none.history["unlearning"]), 3)
        self.assertGreater(_accuracy(some.repaired), 0.95)

    def test_three_images(self):
        few = _CLEAN.subset(range(3))
        repair = self._repair(self._suspect(few), few, replace(_QUICK, learning_rate=5e-4, tune_all_layers=True))
        self.assertNotEqual(repair.evidence.verdict.name, CLEAN)
        self.assertEqual((repair.evidence.fitted_images, repair.evidence.held_out_images), (3, 0))
        self.assertGreater(_accuracy(repair.repaired), 0.9)


class LabelsToUnlearnTest(absltest.TestCase):
    def _labels(self, verdict: Verdict, without_evidence: bool = False) -> tuple[int, ...]:
        return labels_to_unlearn(replace(example_evidence(), verdict=verdict), without_evidence)

    def test_targets_and_what_is_in_doubt_beside_them(self):
        self.assertEqual(self._labels(Verdict(BACKDOOR, "", (5, 2), (7,))), (5, 2, 7))
        self.assertEqual(self._labels(Verdict(INCONCLUSIVE, "", (), (7,))), (7,))

    def test_without_either_the_most_suspicious_if_it_is_asked_for(self):
        self.assertEqual(self._labels(Verdict(CLEAN, "")), ())
        self.assertEqual(self._labels(Verdict(CLEAN, ""), without_evidence=True), (0, 3))


def _labels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return model(UNIT_SCALE.apply(images)).numpy().argmax(axis=1)


def _accuracy(model: keras.Model) -> float:
    return float((_labels(model, _TEST.images()) == _TEST.labels).mean())


def _success(model: keras.Model) -> float:
    """Of the trigger, which no repair sees."""
    stamped = with_planted_trigger(_TEST.images())
    return float((_labels(model, stamped) == TARGET)[_TEST.labels != TARGET].mean())


if __name__ == "__main__":
    absltest.main()
