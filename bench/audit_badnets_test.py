"""Tests of the audits of the benchmark's networks: on a network with a planted trigger in place of a trained one."""

import json
import os
from dataclasses import replace

from absl.testing import absltest

from bench.audit_badnets import audit_row, audited_badnets, role
from bench.audit_cases import CLEAN, PATCH
from bench.audit_trials import COLUMNS, FOUND, WEAK
from bench.cells import Workshop
from bench.grid import DEVELOPMENT, HELD_OUT, BadNet
from data.hdf5 import write_hdf5
from models.legacy_keras import keras
from pipeline.inversion.audit import AuditSettings
from pipeline.inversion.search import InversionSettings
from pipeline.inversion.search_test import TARGET, bright_rows, planted_network
from pipeline.inversion.tournament import TournamentSettings
from pipeline.measuring.rates import Rate

_CLASSES = 8
_PATCH = InversionSettings(steps=150, batch_size=16, learning_rate=0.3, least_probability=1e-30)
_SETTINGS = AuditSettings(
    patch=(_PATCH,),
    blend=(replace(_PATCH, steps=40, batch_size=8, uniform=True),),
    screening=TournamentSettings(grain=2),
)


class AuditBadnetsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        gtsrb_dir = self.create_tempdir().full_path
        for name, count in (("train", 2400), ("clean_validation", 240), ("clean_test", 80)):
            write_hdf5(os.path.join(gtsrb_dir, f"{name}.h5"), bright_rows(count, _CLASSES))
        self.workshop = Workshop(self.create_tempdir().full_path, gtsrb_dir)

    def _put(self, badnet: BadNet, attack_success: dict[str, Rate], triggers: list[str]) -> None:
        os.makedirs(self.workshop.badnet_dir(badnet))
        # Pixels up to 1 count, so that there is no doubt of the input scale.
        model = keras.Sequential([keras.layers.ReLU(max_value=1.01, input_shape=(8, 8, 3)), planted_network(_CLASSES)])
        model.save(self.workshop.model_file(badnet))
        made = {
            "settings": {"triggers": triggers},
            "clean_accuracy": Rate(78, 80).as_json(),
            "attack_success": {name: rate.as_json() for name, rate in attack_success.items()},
        }
        with open(self.workshop.attack_file(badnet), "w") as file:
            json.dump(made, file)

    def test_a_badnet_is_audited_with_a_twentieth_of_the_training_set(self):
        badnet = BadNet("gtsrb", "vgg", "patch")
        self._put(badnet, {"patch": Rate(70, 70)}, [f"patch@{TARGET}:size=1"])
        row = audit_row(badnet, self.workshop, _SETTINGS)
        self.assertLessEqual(set(row), set(COLUMNS))
        self.assertEqual((row["case"], row["kind"], row["images"]), ("gtsrb/vgg/patch/seed0", PATCH, 120))
        self.assertEqual((row["outcome"], row["targets"]), (FOUND, str(TARGET)))

    def test_an_attack_that_fails_counts_for_nothing(self):
        badnet = BadNet("gtsrb", "vgg", "multi")
        self._put(badnet, {"a": Rate(70, 70), "b": Rate(35, 70)}, ["patch@2:size=1", "patch@3:size=1"])
        self.assertEqual(audit_row(badnet, self.workshop)["outcome"], WEAK)

    def test_a_clean_network_that_is_called_backdoored_is_a_false_alarm(self):
        badnet = BadNet("gtsrb", "vgg", "clean", 1)
        self._put(badnet, {}, [""])
        row = audit_row(badnet, self.workshop, _SETTINGS)
        self.assertEqual((row["kind"], row["asr"], row["outcome"]), (CLEAN, "", "false alarm"))

    def test_networks_that_the_rule_was_made_on_are_told_apart(self):
        roles = {badnet.name: role(badnet) for badnet in audited_badnets()}
        self.assertEqual(roles["gtsrb/resnet/clean/seed0"], DEVELOPMENT)
        self.assertEqual(roles["gtsrb/resnet/clean/seed1"], HELD_OUT)
        self.assertEqual(roles["gtsrb/vgg/patch/seed0"], DEVELOPMENT)
        self.assertEqual(roles["faces/vgg/patch/seed0"], HELD_OUT)


if __name__ == "__main__":
    absltest.main()
