"""Tests of a network with its pixel scale."""

from unittest import mock

import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.models import scaled_network
from goodnet.models.input_scale import SYMMETRIC_SCALE, UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork


def _network(bias: float = 0.0, **dense: str) -> keras.Model:
    """Two classes: the first one's output is the mean of red."""
    network = keras.Sequential(
        [keras.layers.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, **dense)]
    )
    network.layers[-1].set_weights([np.float32([[1, 0], [0, 0], [0, 0]]), np.float32([0, bias])])
    return network


class ScaledNetworkTest(absltest.TestCase):
    def test_probabilities_of_raw_pixels(self):
        white = np.full((1, 8, 8, 3), 255, np.uint8)
        for network in (_network(), _network(activation="softmax")):
            found = ScaledNetwork(network, SYMMETRIC_SCALE).probabilities(white)
            np.testing.assert_allclose(found, [[np.e / (np.e + 1), 1 / (np.e + 1)]], rtol=1e-5)
            self.assertEqual(found.dtype, np.float32)

    def test_labels_of_a_set_in_batches(self):
        red = np.linspace(0, 255, 9).astype(np.uint8)
        images = from_arrays("reds", np.tile(red[:, None, None, None], (1, 8, 8, 3)), np.zeros(9, np.int64))
        for scale, bias in ((UNIT_SCALE, 0.45), (SYMMETRIC_SCALE, -0.1)):
            network = ScaledNetwork(_network(bias), scale)
            for batch_size in (1, 4, 9, 256):
                with mock.patch.object(scaled_network, "images_at_once", lambda shape, most=batch_size: most):
                    labels = network.labels(images)
                self.assertEqual(labels.dtype, np.int64)
                np.testing.assert_array_equal(labels, [1] * 4 + [0] * 5)

    def test_an_answer_that_is_not_a_number_is_refused(self):
        images = from_arrays("reds", np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int64))
        with self.assertRaisesRegex(InputError, "^reds: the model .* answers NaN; expected 2 numbers"):
            ScaledNetwork(_network(float("nan")), UNIT_SCALE).labels(images)

    def test_what_is_read_off_a_model_is_read_once(self):
        network = ScaledNetwork(_network(), UNIT_SCALE)
        self.assertIs(network.layer_graph, network.layer_graph)
        self.assertIs(network.with_model(network.model), network)
        other = network.with_model(_network(activation="softmax"))
        self.assertEqual((network.facts.logits, other.facts.logits), (True, False))
        self.assertIs(other.scale, UNIT_SCALE)
        self.assertIs(other.layer_graph.layers[other.layer_graph.outputs[0]], other.model.layers[-1])


if __name__ == "__main__":
    absltest.main()
