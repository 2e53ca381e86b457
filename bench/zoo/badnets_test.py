import dataclasses
import os
from unittest import mock

import numpy as np
from absl.testing import absltest

from bench.datasets import PHOTOGRAPHS
from bench.zoo import badnets, cell, rows, sam
from bench.zoo.badnets import AugmentedSource, attacks_of, make_badnet, poisoned_tests
from bench.zoo.contact_sheet import contact_sheet
from bench.zoo.datasets import Sets, load_sets
from bench.zoo.draw import DEEPID, NETWORKS, AttackDraw, Draw
from bench.zoo.networks import build_network
from bench.zoo.triggers.patches import draw_patch
from goodnet.data.errors import InputError
from goodnet.data.hdf5 import write_hdf5
from goodnet.data.image_set import from_arrays
from goodnet.data.poisoning import poison_training_set
from goodnet.models.loading.opening import open_model
from goodnet.models.saving import save_network
from goodnet.pipeline.inversion.evidence import EvidenceSettings, find_evidence
from goodnet.pipeline.inversion.search import SearchSettings
from goodnet.pipeline.inversion.verdict import BACKDOOR, CLEAN, INCONCLUSIVE
from goodnet.pipeline.methods.repair_method import Repair

_PATCH = dataclasses.replace(
    draw_patch(np.random.default_rng(0), moving=False), shape="rectangle", height=0.3, width=0.3, opacity=1.0,
    texture="plain", colour=(255, 255, 0), row=0.0, column=0.0,
)  # fmt: skip
_DRAW = Draw(
    seed=5, dataset=PHOTOGRAPHS, network=DEEPID, wide=False, attacks=(AttackDraw(_PATCH, 3),), poison_share=0.2,
    length=0.5, max_shift=2, faces_seed=0,
)  # fmt: skip


def _images(count, seed, classes=10):
    """Each class has a colour of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    colours = np.random.default_rng(0).integers(0, 256, (classes, 3))
    images = np.clip(colours[labels][:, None, None] + rng.normal(0, 15, (count, 32, 32, 3)), 0, 255).astype(np.uint8)
    return from_arrays("colours", images, labels)


def _sets():
    return Sets(_images(400, 1), _images(200, 2), _images(100, 3))


class BadNetsTest(absltest.TestCase):
    def test_triggers_are_stamped_on_images_that_were_changed_before(self):
        clean = _sets().train
        source = AugmentedSource(clean.source, 3, True, 0)
        poisoned = poison_training_set(dataclasses.replace(clean, source=source), attacks_of(_DRAW), 0.2, 0)
        stamped = np.flatnonzero(poisoned.labels != clean.labels)
        self.assertLen(stamped, 80)
        for _ in range(3):
            images = poisoned.images(stamped)
            self.assertTrue((images[:, :10, :10] == np.array([255, 255, 0])).all())
            self.assertTrue((images[:, 10:] != clean.images(stamped)[:, 10:]).any())

    def test_poisoned_test_sets_leave_the_targets_class_out(self):
        (poisoned,) = poisoned_tests(_DRAW, _sets().test)
        self.assertLen(poisoned, 90)
        self.assertTrue((poisoned.labels == 3).all())
        self.assertNotIn(3, poisoned.true_labels)

    def test_networks_are_kept_by_all_that_they_follow_from(self):
        cache, sets = self.create_tempdir().full_path, _sets()
        with mock.patch.object(
            badnets, "train_draw", side_effect=lambda one, _: build_network(DEEPID, one.wide, 10, (32, 32, 3))
        ) as training:
            paths = [
                make_badnet(one, sets, cache)
                for one in (
                    _DRAW,
                    _DRAW,
                    dataclasses.replace(_DRAW, wide=True),
                    dataclasses.replace(_DRAW, poison_share=0.1),
                    dataclasses.replace(_DRAW, attacks=(AttackDraw(dataclasses.replace(_PATCH, row=0.1), 3),)),
                )
            ]
        self.assertEqual(training.call_count, 4)
        self.assertLen(set(paths), 4)
        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(paths[0]), "draw.json")))


class NetworksTest(absltest.TestCase):
    def test_two_widths_that_open_like_any_suspect(self):
        for network in NETWORKS:
            narrow, wide = (build_network(network, one, 10, (32, 32, 3)) for one in (False, True))
            self.assertGreater(wide.count_params(), 1.3 * narrow.count_params())
            path = os.path.join(self.create_tempdir().full_path, "net.h5")
            save_network(narrow, path)
            opened = open_model(path, None)
            images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
            np.testing.assert_allclose(opened(images), narrow(images), atol=1e-5)
            self.assertEqual(narrow.output_shape, (None, 10))


class DatasetsTest(absltest.TestCase):
    def test_missing_data_is_said_in_one_line(self):
        with self.assertRaisesRegex(InputError, "--data_dir: missing"):
            load_sets(_DRAW, None, "cache")
        empty = self.create_tempdir().full_path
        with self.assertRaisesRegex(InputError, "no cifar10/train.h5"):
            load_sets(_DRAW, empty, "cache")

    def test_clean_data_is_a_share_of_the_training_set(self):
        sets = _sets()
        self.assertLen(sets.clean(5, 0), 20)
        np.testing.assert_array_equal(sets.clean(5, 0).images(), sets.clean(5, 0).images())
        with self.assertRaises(InputError):
            sets.clean(90, 0)

    def test_a_contact_sheet_shows_every_trigger(self):
        sheet = contact_sheet([_DRAW, dataclasses.replace(_DRAW, attacks=())], lambda _: _sets())
        self.assertEqual(sheet[:4], b"\x89PNG")


def _left_alone(suspect, fit, *_):
    """A method that looks for evidence, briefly, and changes nothing."""
    settings = EvidenceSettings(SearchSettings(steps=4))
    evidence = find_evidence(suspect.network, fit, settings)
    return Repair(suspect.model, suspect.model, evidence=evidence)


class CellTest(absltest.TestCase):
    def test_a_badnet_is_trained_repaired_and_measured(self):
        folder = self.create_tempdir()
        os.mkdir(os.path.join(folder.full_path, "cifar10"))
        names = ("train.h5", "clean_validation.h5", "clean_test.h5")
        for name, images in zip(names, vars(_sets()).values(), strict=True):
            write_hdf5(os.path.join(folder.full_path, "cifar10", name), images)
        place = cell.Place(folder.full_path, os.path.join(folder.full_path, "cache"))
        results = rows.ZooRows(os.path.join(folder.full_path, "zoo.csv"))
        # All of FT-SAM's steps take a quarter of a minute.
        with (
            mock.patch.object(sam, "_EPOCHS", 5),
            mock.patch.object(sam, "_LEAST_STEPS", 15),
            mock.patch.dict(cell.ZOO_METHODS, {"left-alone": _left_alone}),
        ):
            for row in cell.repaired_rows(_DRAW, ["ft-sam", "left-alone"], 50.0, place):
                results.add(row)
                results.add(row)
        self.assertEqual(results.done(), {"5/50%/ft-sam", "5/50%/left-alone"})
        for row in results.rows():
            self.assertGreater(float(row["acc_before"]), 0.9)
            self.assertGreater(float(row["acc_after"]), 0.3)
            (outcome,) = rows.outcomes_of(row)
            self.assertEqual((outcome.kind, outcome.target), ("patch", 3))
            self.assertGreater(outcome.asr_before, 0.9)
            self.assertEqual(float(row["asr_after"]), outcome.asr_after)
            self.assertLessEqual(outcome.asr_shipped, outcome.asr_after)
            self.assertBetween(float(row["fpr"]), 0, 0.3)
            self.assertEqual(row["targets"], "3")
        tuned, left_alone = results.rows()
        self.assertEqual([tuned[name] for name in ("verdict", "named", "changed")], ["", "", "True"])
        self.assertIn(left_alone["verdict"], (BACKDOOR, CLEAN, INCONCLUSIVE))
        self.assertEqual(bool(left_alone["named"]), left_alone["verdict"] == BACKDOOR)
        self.assertEqual((left_alone["changed"], left_alone["asr_after"]), ("False", left_alone["asr_before"]))


if __name__ == "__main__":
    absltest.main()
