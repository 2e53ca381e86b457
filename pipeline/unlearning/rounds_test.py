"""Tests of unlearning on a network whose trigger is known: one bright pixel that leads to `TARGET`."""

import os
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.search import SearchSettings, SharedSearch
from goodnet.pipeline.inversion.trigger import InvertedTrigger
from goodnet.pipeline.inversion.trigger_cache import cached_triggers
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.unlearning.rounds import Unlearner, UnlearningSettings, _survivors
from testing.planted_network import TARGET, bright_rows, planted_network, with_planted_trigger

_CLEAN = bright_rows(48)
_SETTINGS = UnlearningSettings(
    rounds=4, steps=60, last_steps=60, learning_rate=0.1, stamped_share=0.4, starts=2, search=SearchSettings(steps=80)
)
_FAR = 100.0


def _unlearner(badnet: keras.Model, folder: str | None, settings: UnlearningSettings = _SETTINGS) -> Unlearner:
    batches = Batches(_CLEAN, UNIT_SCALE, 16, 0, passes=5)
    run = RunConfig(select_devices("cpu").strategy, 0, folder)
    return Unlearner(batches, ScaledNetwork(badnet, UNIT_SCALE), settings, run)


def _labels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return model(UNIT_SCALE.apply(images)).numpy().argmax(axis=1)


def _success(model: keras.Model, stamped: np.ndarray) -> float:
    return float((_labels(model, stamped) == TARGET)[_CLEAN.labels != TARGET].mean())


def _trigger(label: int, size: float, success: float = 1.0, sparse: bool = True) -> InvertedTrigger:
    return InvertedTrigger(label, np.zeros((2, 2, 3), np.float32), size, success, sparse)


class UnlearnTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.badnet = planted_network()
        cls.before = [weight.copy() for weight in cls.badnet.get_weights()]

    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def tearDown(self):
        super().tearDown()
        for weight, before in zip(self.badnet.get_weights(), self.before, strict=True):
            np.testing.assert_array_equal(weight, before, "the suspect was changed")

    def test_triggers_are_forgotten_clean_images_are_not_and_a_resumed_run_ends_alike(self):
        done = _unlearner(self.badnet, self.folder).unlearn(self.badnet, [TARGET], _FAR)
        cured = done.model
        self.assertGreater((_labels(cured, _CLEAN.images()) == _CLEAN.labels).mean(), 0.95)
        stamped = with_planted_trigger(_CLEAN.images())
        self.assertEqual(_success(self.badnet, stamped), 1)
        self.assertLess(_success(cured, stamped), 0.1)
        for trigger in done.triggers:
            self.assertEqual(trigger.label, TARGET)
            self.assertLess(_success(cured, trigger.stamp(_CLEAN.images())), 0.2)
        self.assertEqual({one.sparse for one in done.triggers}, {True, False})

        parts = set(os.listdir(os.path.join(self.folder, "all")))
        self.assertContainsSubset({"round_0", "round_1", "last"}, parts)
        again = _unlearner(self.badnet, self.folder).unlearn(self.badnet, [TARGET], _FAR)
        self.assertEqual(again.history, done.history, "trained again")
        for left, right in zip(cured.get_weights(), again.model.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)

    def test_a_run_that_was_interrupted_after_a_round_ends_as_one_that_was_not(self):
        settings = replace(_SETTINGS, rounds=2, steps=15, last_steps=15)
        whole = _unlearner(self.badnet, self.folder, settings).unlearn(self.badnet, [TARGET], _FAR)
        halved = self.create_tempdir().full_path
        _unlearner(self.badnet, halved, replace(settings, rounds=1, last_steps=0)).unlearn(self.badnet, [TARGET], _FAR)
        rest = _unlearner(self.badnet, halved, settings).unlearn(self.badnet, [TARGET], _FAR)
        for left, right in zip(whole.model.get_weights(), rest.model.get_weights(), strict=True):
            np.testing.assert_allclose(left, right, atol=1e-5)

    def test_a_label_that_takes_the_ordinary_size_ends_its_rounds_but_is_unlearned_once(self):
        settings = replace(_SETTINGS, steps=5, last_steps=5)
        done = _unlearner(self.badnet, self.folder, settings).unlearn(self.badnet, [TARGET], 0.01)
        self.assertLen(done.triggers, 2 * settings.starts)
        folder = os.path.join(self.folder, "all")
        self.assertCountEqual(os.listdir(folder), ["round_0", "round_1", "last"])
        self.assertCountEqual(os.listdir(os.path.join(folder, "round_1")), ["triggers.npz"])

    def test_where_no_trigger_works_nothing_is_trained(self):
        settings = replace(_SETTINGS, search=SearchSettings(steps=1))
        done = _unlearner(self.badnet, self.folder, settings).unlearn(self.badnet, [0], _FAR)
        self.assertIs(done.model, self.badnet)
        self.assertEqual((done.triggers, done.history), ((), ()))

    def test_each_round_inverts_from_other_starts_in_either_norm(self):
        unlearner = _unlearner(self.badnet, None, replace(_SETTINGS, search=SearchSettings(steps=3)))
        search = SharedSearch(unlearner.teacher)
        first, second = (unlearner.invert(search, self.badnet, [TARGET, 1], number) for number in range(2))
        self.assertEqual([one.label for one in first], [TARGET, TARGET, 1, 1] * 2)
        self.assertEqual([one.sparse for one in first], [True] * 4 + [False] * 4)
        for one, other in zip(first, second, strict=True):
            self.assertGreater(np.abs(one.change - other.change).max(), 1)

    def test_what_was_kept_is_not_inverted_again(self):
        kept = [replace(_trigger(TARGET, 1.0), change=np.full((8, 8, 3), 9, np.float32))]
        cached_triggers(os.path.join(self.folder, "all", "round_0", "triggers.npz"), lambda: kept)
        settings = replace(_SETTINGS, rounds=1, steps=1, last_steps=1)
        done = _unlearner(self.badnet, self.folder, settings).unlearn(self.badnet, [TARGET], _FAR)
        np.testing.assert_array_equal(done.triggers[0].change, kept[0].change)


class HeadTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.badnet = planted_network(convolution=True)

    def _assert_as_it_was(self, model: keras.Model, layer: str, is_so: bool):
        pairs = zip(self.badnet.get_layer(layer).get_weights(), model.get_layer(layer).get_weights(), strict=True)
        self.assertEqual(all(np.array_equal(before, after) for before, after in pairs), is_so)

    def test_where_the_head_forgets_nothing_else_is_touched(self):
        ordinary_size = 10.0
        done = _unlearner(self.badnet, self.folder).unlearn(self.badnet, [TARGET], ordinary_size, ["classes"])
        self.assertLess(_success(done.model, with_planted_trigger(_CLEAN.images())), 0.5)
        self._assert_as_it_was(done.model, "sums", True)
        self._assert_as_it_was(done.model, "classes", False)
        self.assertEqual(os.listdir(self.folder), ["head"])

    def test_where_it_does_not_all_layers_are_tuned(self):
        too_little = replace(_SETTINGS, rounds=1, steps=1, last_steps=1, learning_rate=1e-4)
        done = _unlearner(self.badnet, self.folder, too_little).unlearn(self.badnet, [TARGET], _FAR, ["classes"])
        self._assert_as_it_was(done.model, "sums", False)
        self.assertCountEqual(os.listdir(self.folder), ["head", "all"])


class SurvivorsTest(absltest.TestCase):
    def test_they_work_and_a_sparse_one_of_their_label_is_smaller_than_ordinary(self):
        small, large = _trigger(1, 2.0), _trigger(2, 9.0)
        faint, faint_of_large = _trigger(1, 3.0, sparse=False), _trigger(2, 1.0, sparse=False)
        found = [small, large, faint, faint_of_large, _trigger(3, 1.0, success=0.1)]
        self.assertEqual(_survivors(found, 5.0), (small, faint))
        self.assertEqual(_survivors(found, float("inf")), (small, large, faint, faint_of_large))


if __name__ == "__main__":
    absltest.main()
