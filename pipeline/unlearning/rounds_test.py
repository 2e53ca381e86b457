"""Tests of unlearning on a network whose trigger is known: one bright pixel that leads to label 2."""

import os
from dataclasses import replace

import numpy as np
from absl.testing import absltest

from models.answers import answers_of
from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.keeping import kept_found
from pipeline.inversion.search import BestStarts, InversionSettings, invert_from_best_starts, invert_triggers
from pipeline.inversion.search_test import bright_rows, planted_network
from pipeline.inversion.trigger import InvertedTrigger
from pipeline.inversion.warps import WarpSettings
from pipeline.inversion.waves import InvertedWave
from pipeline.training.batches import Batches
from pipeline.training.devices import select_devices
from pipeline.unlearning.rounds import UnlearningSettings, _not_found_better, unlearn

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


class FirstRoundTest(absltest.TestCase):
    def test_it_goes_on_from_the_best_of_several_starts_for_longer_and_later_rounds_do_not(self):
        badnet, clean = planted_network(), bright_rows(48)
        settings = replace(_SETTINGS, steps=1, last_steps=1, learning_rate=1e-6, first_starts=4, first_steps=60)
        folder = self.create_tempdir().full_path
        batches = Batches(clean, UNIT_SCALE, 16, 0, passes=1)
        unlearn(badnet, batches, answers_of(badnet, UNIT_SCALE), [_trigger()], settings, select_devices("cpu"), folder)

        search, short = (badnet, clean, UNIT_SCALE), settings.inversion
        thorough = replace(short, steps=60)
        (best,) = invert_from_best_starts(*search, [2], thorough, BestStarts(tried=4, kept=1, trial_steps=short.steps))
        (usual,) = invert_triggers(*search, [2], thorough)
        self.assertGreater(np.abs(best.mask - usual.mask).max(), 0.02, "the first start was the best: another seed")
        (first,) = _kept(folder, 0)
        np.testing.assert_allclose(first.mask, best.mask, atol=1e-3)

        # The network was hardly changed.
        (again,) = invert_triggers(*search, [2], replace(short, seed=short.seed + 1))
        (second,) = _kept(folder, 1)
        np.testing.assert_allclose(second.mask, again.mask, atol=0.05)

    def test_what_it_finds_smaller_takes_the_place_of_what_screening_found(self):
        small, large = _trigger(), replace(_trigger(), mask=np.full((8, 8, 1), 0.5, np.float32))
        other, wave = replace(large, label=3), InvertedWave(2, 1, 1, 0.0, 40.0, 1.0, 8, 8)
        self.assertEqual(_not_found_better([large, other, wave], [small]), [other, wave])
        self.assertEqual(_not_found_better([small], [large]), [small])
        self.assertEqual(_not_found_better([replace(large, uniform=True)], [small])[0].kind, "blended pattern")


def _kept(folder: str, number: int) -> tuple[InvertedTrigger, ...]:
    return kept_found(os.path.join(folder, f"round_{number}", "patches.npz"), InvertedTrigger, tuple)


if __name__ == "__main__":
    absltest.main()
