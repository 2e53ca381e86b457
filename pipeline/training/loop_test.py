"""Tests of the training loop: it learns, and an interrupted run ends where an uninterrupted one does."""

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.image_set import ImageSet, from_arrays
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.pipeline.training.augmentation import Augmentation
from goodnet.pipeline.training.batches import Batches
from goodnet.pipeline.training.loop import compile_classifier, train


def _bright_or_dark(count: int) -> ImageSet:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = rng.integers(0, 120, (count, 8, 8, 3)) + 120 * labels[:, None, None, None]
    return from_arrays("bright or dark", images.astype(np.uint8), labels)


def _network(learning_rate: float = 0.01) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    compile_classifier(model, keras.optimizers.Adam(learning_rate), logits=True)
    return model


class LoopTest(absltest.TestCase):
    def test_it_learns(self):
        batches = Batches(_bright_or_dark(64), UNIT_SCALE, 16, seed=0)
        history = train(_network(), batches, 5, title="test")
        self.assertLen(history, 5)
        self.assertLess(history[-1].loss, history[0].loss)
        self.assertGreater(history[-1].accuracy, 0.9)

    def test_going_on_after_an_interruption_ends_in_the_same_network(self):
        batches = Batches(_bright_or_dark(64), UNIT_SCALE, 16, seed=0, augmentation=Augmentation(max_shift=1))
        whole = _network()
        history = train(whole, batches, 4, title="whole")

        folder = self.create_tempdir().full_path
        with self.assertRaises(_InterruptionError):
            train(_network(), batches, 4, title="stopped", checkpoint_dir=folder, callbacks=[_StopBefore(2)])
        resumed = _network()
        resumed_history = train(resumed, batches, 4, title="resumed", checkpoint_dir=folder)

        # The same operations on the same machine; what is left is the order in which threads add floats.
        for left, right in zip(whole.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_allclose(left, right, atol=1e-5)
        self.assertAlmostEqual(history[0].loss, resumed_history[0].loss, places=5)

    def test_a_finished_training_is_not_done_again(self):
        batches = Batches(_bright_or_dark(32), UNIT_SCALE, 16, seed=0)
        folder = self.create_tempdir().full_path
        first = _network()
        train(first, batches, 2, title="first", checkpoint_dir=folder)
        again = _network()
        train(again, batches, 2, title="again", checkpoint_dir=folder, callbacks=[_StopBefore(0)])
        for left, right in zip(first.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)

    def test_the_step_is_traced_once(self):
        calls = []

        class Noting(keras.layers.Layer):
            def call(self, inputs):
                calls.append(inputs)
                return inputs

        model = keras.Sequential([Noting(input_shape=(8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
        compile_classifier(model, keras.optimizers.Adam(), logits=True)
        calls.clear()
        train(model, Batches(_bright_or_dark(40), UNIT_SCALE, 16, seed=0), 2, title="test")
        self.assertLen(calls, 1)

    def test_a_loss_that_explodes_is_said_in_one_line(self):
        batches = Batches(_bright_or_dark(32), UNIT_SCALE, 16, seed=0)
        with self.assertRaisesRegex(InputError, "learning rate"):
            train(_network(learning_rate=1e30), batches, 3, title="test")


class _InterruptionError(Exception):
    pass


class _StopBefore(keras.callbacks.Callback):
    """Interrupts the training before an epoch, as Ctrl-C would."""

    def __init__(self, epoch: int):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch >= self._epoch:
            raise _InterruptionError()


if __name__ == "__main__":
    absltest.main()
