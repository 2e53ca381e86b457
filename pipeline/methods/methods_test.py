"""Tests of Fine-Pruning and of fine-tuning alone."""

import tempfile
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import ImageSource
from goodnet.data.opening import open_image_set
from goodnet.models.input_scale import DEFAULT_SCALES, UNIT_SCALE
from goodnet.models.legacy_keras import keras, tf
from goodnet.pipeline.inputs.suspect import open_suspect
from goodnet.pipeline.methods.catalogue import METHODS
from goodnet.pipeline.methods.fine_pruning import fine_pruning
from goodnet.pipeline.methods.fine_tuning import fine_tuning
from goodnet.pipeline.methods.names import NAMES
from goodnet.pipeline.methods.repair_method import RepairSettings
from goodnet.pipeline.pruning.fine_tuning import fine_tune
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.devices import select_devices
from goodnet.pipeline.training.run_config import RunConfig
from goodnet.pipeline.training.tuning import TuningSettings
from testing.example_case import example_case, small_network

_SETTINGS = RepairSettings(pruning_epochs=2, fine_tuning_epochs=1, max_shift=0)


class _Interrupting:
    """Images that can be read a few times only."""

    def __init__(self, source: ImageSource, reads: int):
        self._source, self._reads = source, reads
        self.shape = source.shape

    def read(self, indices: np.ndarray) -> np.ndarray:
        self._reads -= 1
        if not self._reads:
            raise InterruptedError
        return self._source.read(indices)


class MethodsTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.case = example_case()
        cls.run_config = RunConfig(
            select_devices("cpu").strategy, 0, cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        cls.clean = open_image_set(cls.case.clean)
        cls.suspect = open_suspect(cls.case.model, cls.clean, DEFAULT_SCALES)
        cls.before = [weight.copy() for weight in cls.suspect.model.get_weights()]
        cls.repair = fine_pruning(cls.suspect, cls.clean, _SETTINGS, cls.run_config)

    def tearDown(self):
        super().tearDown()
        for weight, before in zip(self.suspect.model.get_weights(), self.before, strict=True):
            np.testing.assert_array_equal(weight, before, "the suspect was changed")

    def _accuracy(self, model):
        images = self.suspect.scale.chosen.apply(self.clean.images())
        return np.mean(model.predict(images, verbose=0).argmax(axis=1) == self.clean.labels)

    def test_fine_pruning_prunes_tunes_and_keeps_the_clean_accuracy(self):
        closed = self.repair.pruning.closed["conv_2"]
        self.assertGreater(closed.sum(), 0)
        self.assertEqual(self.repair.pruned.get_layer("conv_2").filters, 16 - closed.sum())
        self.assertEqual([len(epochs) for epochs in self.repair.history.values()], [2, 1])
        self.assertAlmostEqual(self.repair.pruning.trace[-1].reached["conv_2"], closed.mean())
        for model in (self.repair.pruned, self.repair.repaired):
            self.assertGreater(self._accuracy(model), 0.85)

    def test_fine_pruning_leaves_alone_what_is_upstream_of_the_first_pruned_layer(self):
        before = self.suspect.model.get_layer("conv_1").get_weights()[0]
        for model in (self.repair.pruned, self.repair.repaired):
            np.testing.assert_array_equal(model.get_layer("conv_1").get_weights()[0], before)
        pruned, tuned = (
            model.get_layer("classes").get_weights()[0] for model in (self.repair.pruned, self.repair.repaired)
        )
        self.assertGreater(np.abs(tuned - pruned).max(), 0)

    def test_fine_pruning_closes_the_least_active_channels(self):
        features = self.suspect.scale.chosen.apply(self.clean.images())
        for name in ("conv_1", "pool", "conv_2"):
            features = self.suspect.model.get_layer(name)(features)
        activation = tf.reduce_mean(features, axis=[0, 1, 2]).numpy()
        closed = self.repair.pruning.closed["conv_2"]
        self.assertLessEqual(activation[closed].max(), activation[~closed].min())

    def test_fine_pruning_goes_on_from_its_checkpoints_to_the_same_network(self):
        again = fine_pruning(self.suspect, self.clean, _SETTINGS, self.run_config)
        for found, expected in ((again.pruned, self.repair.pruned), (again.repaired, self.repair.repaired)):
            for weight, one in zip(found.get_weights(), expected.get_weights(), strict=True):
                np.testing.assert_allclose(weight, one, atol=1e-6)
        self.assertEqual(again.pruning.trace, self.repair.pruning.trace)
        self.assertEqual(again.history, self.repair.history)

    def test_fine_tuning_prunes_nothing_and_tunes_everything(self):
        repair = fine_tuning(self.suspect, self.clean, _SETTINGS, replace(self.run_config, folder=None))
        self.assertIsNone(repair.pruning)
        self.assertIs(repair.pruned, self.suspect.model)
        self.assertLen(repair.history["fine-tuning"], 3)
        self.assertGreater(self._accuracy(repair.repaired), 0.9)
        for layer in ("conv_1", "conv_2", "classes"):
            change = repair.repaired.get_layer(layer).get_weights()[0] - repair.pruned.get_layer(layer).get_weights()[0]
            self.assertGreater(np.abs(change).max(), 0, layer)

    def test_dropout_after_an_interruption_is_as_without_one(self):
        clean = self.clean.subset(np.arange(96))
        network = small_network(dropout=0.5)
        interrupting = replace(clean, source=_Interrupting(clean.source, reads=5))  # in the second epoch

        def tuned(folder, images=clean):
            keras.utils.set_random_seed(0)
            batches = Batches(images, UNIT_SCALE, batch_size=32, seed=0)
            run = replace(self.run_config, folder=folder)
            return fine_tune(network, batches, TuningSettings(3, 1e-2, None), False, run)[0].get_weights()

        expected = tuned(self.create_tempdir().full_path)
        folder = self.create_tempdir().full_path
        with self.assertRaises(tf.errors.OpError):
            tuned(folder, interrupting)
        for weight, one in zip(tuned(folder), expected, strict=True):
            np.testing.assert_allclose(weight, one, atol=1e-6)

    def test_the_catalogue_has_the_methods_a_researcher_compares(self):
        self.assertEqual(tuple(METHODS), NAMES)
        self.assertEqual(METHODS["fine-pruning"], fine_pruning)
        self.assertEqual(METHODS["fine-tuning"], fine_tuning)


if __name__ == "__main__":
    absltest.main()
