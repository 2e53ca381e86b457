"""Tests of the logarithm of probabilities."""

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.models.legacy_keras import keras, tf
from goodnet.models.log_probabilities import log_probabilities

L = keras.layers


def _network(*tail: keras.layers.Layer) -> keras.Model:
    """Logits that are 1000 times the pixels' sums over a row."""
    image = keras.Input((3, 2, 1))
    dense = L.Dense(3, name="classes", activation=None if tail else "softmax")
    outputs = dense(L.Flatten()(image))
    for layer in tail:
        outputs = layer(outputs)
    model = keras.Model(image, outputs)
    dense.set_weights([1000 * np.repeat(np.eye(3, dtype=np.float32), 2, axis=0), np.zeros(3, np.float32)])
    return model


@tf.function
def _logs_and_slope(network: keras.Model, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The logarithms, and the slope of label 1's."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logs = log_probabilities(network, images)
        wanted = logs[:, 1]
    return logs, tape.gradient(wanted, images)


class LogProbabilitiesTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("logits", (L.Activation("linear"),)),
        ("a_softmax_of_the_last_layer", ()),
        ("a_softmax_layer", (L.Softmax(),)),
        ("an_activation_layer", (L.Activation("softmax"),)),
        ("behind_what_rearranges", (L.Softmax(), L.Dropout(0.5), L.Reshape((3,)))),
    )
    def test_it_has_a_slope_where_the_probability_is_rounded_to_zero(self, tail):
        network = _network(*tail)
        image = np.zeros((1, 3, 2, 1), np.float32)
        image[:, 0] = 1
        for model in (network, keras.Sequential([network])):
            logs, slope = _logs_and_slope(model, tf.constant(image))
            np.testing.assert_allclose(logs, [[0, -2000, -2000]], atol=1e-3)
            np.testing.assert_allclose(slope[0, 1], 1000, atol=1e-3)

    def test_what_no_softmax_gave_is_still_right(self):
        image = keras.Input((2, 2, 1))
        given = tf.math.l2_normalize(L.Flatten()(image)) ** 2
        network = keras.Model(image, L.Softmax()(tf.math.log(given)))
        logs = tf.function(lambda images: log_probabilities(network, images))(tf.ones((1, 2, 2, 1)))
        np.testing.assert_allclose(logs, np.log([[0.25] * 4]), atol=1e-5)


if __name__ == "__main__":
    absltest.main()
