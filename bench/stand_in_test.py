import numpy as np
from absl.testing import absltest

from bench.stand_in import partly_tuned, shares_trunk, trunk, with_shared_trunk
from goodnet.data.image_set import from_arrays
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork


def _net() -> keras.Model:
    layers = keras.layers
    convolutions = [layers.Conv2D(4, 3, activation="relu", name=f"conv_{number}") for number in range(3)]
    return keras.Sequential([layers.Input((8, 8, 3)), *convolutions, layers.Flatten(), layers.Dense(2, "softmax")])


class StandInTest(absltest.TestCase):
    def test_the_trunk_lies_below_the_last_two_convolutions(self):
        self.assertEqual([layer.name for layer in trunk(_net())], ["conv_0"])

    def test_a_tuned_copy_shares_the_trunk_if_it_is_asked_to(self):
        images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
        clean, network = from_arrays("noise", images, np.arange(16) % 2), ScaledNetwork(_net(), UNIT_SCALE)
        own, shared = (partly_tuned(network, clean, 0, shared) for shared in (False, True))
        self.assertFalse(shares_trunk(network.model, own))
        self.assertTrue(shares_trunk(network.model, shared))
        self.assertFalse(np.array_equal(shared.layers[-1].get_weights()[0], network.model.layers[-1].get_weights()[0]))
        joined = with_shared_trunk(network.model, own)
        self.assertTrue(shares_trunk(network.model, joined))
        np.testing.assert_array_equal(joined.layers[-1].get_weights()[0], own.layers[-1].get_weights()[0])


if __name__ == "__main__":
    absltest.main()
