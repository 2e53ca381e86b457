"""Tests of the evidence on networks of which it is known whether and where they are backdoored."""

import os
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import ImageSet
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.evidence import Evidence, EvidenceSettings, find_evidence
from goodnet.pipeline.inversion.search import SearchSettings
from goodnet.pipeline.inversion.verdict import BACKDOOR, CLEAN, INCONCLUSIVE
from testing.planted_network import TARGET, bright_rows, planted_network

_SETTINGS = EvidenceSettings()


def _evidence(model: keras.Model, clean: ImageSet, keep_dir: str | None = None) -> Evidence:
    return find_evidence(ScaledNetwork(model, UNIT_SCALE), clean, _SETTINGS, keep_dir)


class EvidenceTest(absltest.TestCase):
    def test_a_planted_backdoor_is_found_with_its_target(self):
        clean = bright_rows(96, 8)
        evidence = _evidence(planted_network(8), clean)
        self.assertEqual((evidence.verdict.name, evidence.verdict.targets), (BACKDOOR, (TARGET,)))
        first = evidence.suspicions[0]
        self.assertEqual(first.trigger.label, TARGET)
        self.assertGreater(first.held_out.value, 0.9)
        self.assertGreater(evidence.ordinary_size, 5 * first.trigger.size)
        self.assertEqual((evidence.labels, evidence.inverted, evidence.reference, evidence.never), (8, 8, 8, 0))
        self.assertEqual((evidence.fitted_images, evidence.held_out_images), (64, 32))

    def test_a_clean_network_is_not_accused(self):
        evidence = _evidence(planted_network(8, planted=False), bright_rows(96, 8))
        self.assertEqual((evidence.verdict.name, evidence.verdict.targets), (CLEAN, ()))

    def test_a_network_that_is_merely_surer_is_not_called_clean(self):
        sure = planted_network(8, softmax=True)
        sure.set_weights([3 * weight for weight in sure.get_weights()])
        evidence = _evidence(sure, bright_rows(96, 8))
        self.assertEqual((evidence.verdict.name, evidence.verdict.targets), (BACKDOOR, (TARGET,)))
        self.assertEqual(evidence.never, 0)

    def test_few_labels_are_inconclusive_and_the_smallest_trigger_is_named(self):
        evidence = _evidence(planted_network(6), bright_rows(96, 6))
        self.assertEqual((evidence.verdict.name, evidence.verdict.targets), (INCONCLUSIVE, ()))
        self.assertEqual(evidence.suspicions[0].trigger.label, TARGET)

    def test_five_images(self):
        evidence = _evidence(planted_network(8), bright_rows(5, 8))
        self.assertEqual((evidence.fitted_images, evidence.held_out_images), (5, 0))
        self.assertEqual(evidence.suspicions[0].trigger.label, TARGET)
        self.assertNotEqual(evidence.verdict.name, CLEAN)

    def test_of_many_labels_the_target_survives_screening(self):
        evidence = _evidence(planted_network(60), bright_rows(180, 60))
        self.assertEqual((evidence.verdict.name, evidence.verdict.targets), (BACKDOOR, (TARGET,)))
        self.assertEqual((evidence.labels, evidence.inverted, evidence.reference), (60, 48, 32))

    def test_of_labels_that_no_trigger_reaches_nothing_ordinary_is_known(self):
        model, clean = planted_network(8), bright_rows(96, 8)
        settings = replace(_SETTINGS, search=SearchSettings(steps=1))
        evidence = find_evidence(ScaledNetwork(model, UNIT_SCALE), clean, settings)
        self.assertEqual(evidence.never, 8)
        self.assertTrue(np.isinf(evidence.ordinary_size))
        self.assertEqual([one.index for one in evidence.suspicions], [None] * len(evidence.suspicions))

    def test_kept_searches_are_not_done_again(self):
        clean, folder = bright_rows(96, 60), self.create_tempdir().full_path
        first = _evidence(planted_network(60), clean, folder)
        self.assertCountEqual(os.listdir(folder), ["screening.npz", "triggers.npz"])
        # Of another network the search would find something else.
        again = _evidence(planted_network(60, planted=False), clean, folder)
        for one, other in zip(first.suspicions, again.suspicions, strict=True):
            np.testing.assert_array_equal(one.trigger.change, other.trigger.change)
        self.assertNotEqual(first.suspicions[0].held_out.count, again.suspicions[0].held_out.count)

    def test_neither_the_network_nor_the_images_change(self):
        model, clean = planted_network(8), bright_rows(96, 8)
        weights, images = model.get_weights(), clean.images()
        _evidence(model, clean)
        for weight, before in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(weight, before)
        np.testing.assert_array_equal(clean.images(), images)


if __name__ == "__main__":
    absltest.main()
