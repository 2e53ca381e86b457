"""Tests of unlearning on a network whose trigger is known: one bright pixel that leads to label 2."""

import numpy as np
from absl.testing import absltest

from models.answers import answers_of
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.search import InversionSettings
from pipeline.inversion.search_test import bright_rows, planted_network
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import WarpSettings
from pipeline.training.batches import Batches
from pipeline.training.devices import select_devices
from pipeline.unlearning.rounds import UnlearningSettings, unlearn

_SETTINGS = UnlearningSettings(
    rounds=2,
    steps=20,
    last_steps=20,
    learning_rate=0.3,
    stamped_share=0.4,
    varied_share=0.0,
    starts=1,
    first_starts=2,
    most_pixels=(30.0, 30.0),
    most_displacement=0.5,
    inversion=InversionSettings(steps=20, batch_size=8),
    warping=WarpSettings(steps=10),
    first_steps=20,
)


def _trigger() -> InvertedTrigger:
    mask = np.zeros((8, 8, 1), np.float32)
    mask[7, 7] = 1
    return InvertedTrigger(2, mask, np.full((8, 8, 3), 255, np.float32), 1.0)


def _labels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return model(UNIT_SCALE.apply(images)).numpy().argmax(axis=1)


class UnlearnTest(absltest.TestCase):
    def test_the_trigger_is_forgotten_clean_images_are_not_and_a_resumed_run_ends_alike(self):
        clean = bright_rows(48)
        # No dense layer makes its classes, so that it is not refitted, which would be the cure already.
        badnet = keras.Sequential([*planted_network().layers, keras.layers.Reshape((6,))])
        batches = Batches(clean, UNIT_SCALE, 16, 0, passes=2)
        stamped = _trigger().stamp(clean.images()).astype(np.uint8)
        self.assertTrue((_labels(badnet, stamped) == 2).all())

        folder = self.create_tempdir().full_path
        cured, history = unlearn(
            badnet, batches, answers_of(badnet, UNIT_SCALE), [_trigger()], _SETTINGS, select_devices("cpu"), folder
        )
        self.assertGreater((_labels(cured, clean.images()) == clean.labels).mean(), 0.95)
        self.assertLess((_labels(cured, stamped)[clean.labels != 2] == 2).mean(), 0.1)
        self.assertTrue((_labels(badnet, stamped) == 2).all(), "the suspect was changed")

        again, history_again = unlearn(
            badnet, batches, answers_of(badnet, UNIT_SCALE), [_trigger()], _SETTINGS, select_devices("cpu"), folder
        )
        self.assertEqual(history_again, history)
        for left, right in zip(cured.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


if __name__ == "__main__":
    absltest.main()
