"""Tests of refitting on a network whose trigger is known: one pixel, dark in clean images, that leads to label 2."""

from dataclasses import replace

import numpy as np
from absl.testing import absltest, parameterized

from models.input_scale import UNIT_SCALE
from models.legacy_keras import keras
from pipeline.inversion.search_test import bright_rows, planted_network
from pipeline.training.augmentation import Augmentation
from pipeline.training.batches import Batches
from pipeline.unlearning import refitting
from pipeline.unlearning.refitting import refit_labels

_TARGET = 2


def _batches() -> Batches:
    return Batches(bright_rows(48), UNIT_SCALE, 16, 0, Augmentation(max_light=0.2))


def _stamped(images: np.ndarray) -> np.ndarray:
    stamped = images.copy()
    stamped[:, 7, 7] = 255
    return stamped


def _answers(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return model(UNIT_SCALE.apply(images)).numpy().argmax(axis=1)


class RefitLabelsTest(parameterized.TestCase):
    @parameterized.named_parameters(("many_images", 2560), ("fewer_images_than_features", 96))
    def test_a_direction_that_clean_images_do_not_take_leads_nowhere_any_more(self, images):
        self.enter_context(absltest.mock.patch.object(refitting, "_IMAGES", images))
        badnet, clean = planted_network(), bright_rows(48)
        before = badnet.get_weights()
        self.assertTrue((_answers(badnet, _stamped(clean.images())) == _TARGET).all())

        refit = refit_labels(badnet, {_TARGET}, _batches())
        others = clean.labels != _TARGET
        self.assertFalse((_answers(refit, _stamped(clean.images()))[others] == _TARGET).any())
        np.testing.assert_array_equal(_answers(refit, clean.images()), clean.labels)
        untouched = [label for label in range(6) if label != _TARGET]
        for old, new, kept in zip(before, refit.get_weights(), badnet.get_weights(), strict=True):
            np.testing.assert_array_equal(new[..., untouched], old[..., untouched])
            np.testing.assert_array_equal(kept, old, "the suspect was changed")

    def test_probabilities_and_a_layer_without_bias_are_the_same_to_it(self):
        plain = planted_network()
        softmax = keras.Sequential(
            [
                keras.layers.Flatten(input_shape=(8, 8, 3)),
                keras.layers.Dense(6, use_bias=False),
                keras.layers.Softmax(),
            ]
        )
        softmax.set_weights(plain.get_weights()[:1])
        images = bright_rows(48).images()
        refit = refit_labels(softmax, {_TARGET}, _batches())
        np.testing.assert_array_equal(_answers(refit, images), bright_rows(48).labels)
        self.assertLess((_answers(refit, _stamped(images)) == _TARGET).mean(), 0.5)

    def test_the_same_seed_gives_the_same_weights(self):
        first, second = (refit_labels(planted_network(), {1, _TARGET}, _batches()) for _ in range(2))
        other = refit_labels(planted_network(), {1, _TARGET}, replace(_batches(), seed=1))
        np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
        self.assertFalse(np.array_equal(first.get_weights()[0], other.get_weights()[0]))

    def test_a_network_whose_classes_no_dense_layer_makes_is_left_as_it_is(self):
        network = keras.Sequential([*planted_network().layers, keras.layers.Reshape((6,))])
        self.assertIs(refit_labels(network, {_TARGET}, _batches()), network)


if __name__ == "__main__":
    absltest.main()
