"""Tests of telling probabilities from logits by what they are."""

import os

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.class_outputs import with_softmax_tail
from goodnet.models.classifier import classifier_facts, with_probabilities
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.opening import open_model
from goodnet.models.model_copy import copy_with_weights

_IMAGES = np.random.default_rng(0).random((16, 6, 6, 3)).astype(np.float32)


def _model(tail) -> keras.Model:
    image = keras.Input((6, 6, 3))
    flat = keras.layers.Flatten()(image)
    return keras.Model(image, tail(flat))


def _average(flat):
    return keras.layers.Average()([keras.layers.Dense(4, activation="softmax")(flat) for _ in range(2)])


def _one_more_class(flat):
    first, second = (keras.layers.Dense(4, activation="softmax")(flat) for _ in range(2))
    same = tf.cast(tf.equal(tf.argmax(first, 1), tf.argmax(second, 1)), tf.float32)[:, None]
    return keras.layers.Concatenate()([first * same, 1 - same])


class ClassOutputsTest(parameterized.TestCase):
    @parameterized.parameters(_average, _one_more_class)
    def test_probabilities_without_a_softmax_get_one_that_changes_nothing(self, tail):
        model = _model(tail)
        self.assertTrue(classifier_facts(model).logits)
        tailed = with_softmax_tail(model, model(_IMAGES).numpy())
        self.assertFalse(classifier_facts(tailed).logits)
        self.assertIs(with_probabilities(tailed), tailed)
        np.testing.assert_allclose(tailed(_IMAGES), model(_IMAGES), atol=1e-6)
        path = os.path.join(self.create_tempdir(), "tailed.h5")
        tailed.save(path)
        reopened = open_model(path)
        np.testing.assert_allclose(reopened(_IMAGES), model(_IMAGES), atol=1e-6)
        self.assertFalse(classifier_facts(reopened).logits)
        copied = copy_with_weights(reopened)
        np.testing.assert_allclose(copied(_IMAGES), model(_IMAGES), atol=1e-6)

    @parameterized.parameters(keras.layers.Dense(4), keras.layers.Dense(4, activation="softmax"))
    def test_logits_and_softmax_are_left_as_they_are(self, layer):
        model = _model(layer)
        self.assertIs(with_softmax_tail(model, model(_IMAGES).numpy()), model)

    def test_a_softmax_that_does_not_sum_to_one_is_refused(self):
        # Softmax over each of four pairs, flattened: the last activation is softmax, the outputs are no distribution.
        model = _model(
            lambda flat: keras.layers.Flatten()(
                keras.layers.Softmax()(keras.layers.Reshape((4, 2))(keras.layers.Dense(8)(flat)))
            )
        )
        with self.assertRaisesRegex(InputError, "ends in softmax, but its outputs .* sum to 4 to 4; expected"):
            with_softmax_tail(model, model(_IMAGES).numpy())

    def test_gradients_are_finite_where_a_probability_is_zero(self):
        model = _model(_one_more_class)
        tailed = with_softmax_tail(model, model(_IMAGES).numpy())
        with tf.GradientTape() as tape:
            loss = keras.losses.SparseCategoricalCrossentropy()(np.arange(16) % 5, tailed(_IMAGES))
        for gradient in tape.gradient(loss, tailed.trainable_variables):
            self.assertTrue(gradient is None or np.isfinite(gradient.numpy()).all())


if __name__ == "__main__":
    absltest.main()
