"""Tests of the largest margins on networks whose margins are known."""

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.inversion.margins import largest_margins
from testing.planted_network import TARGET, bright_rows, planted_network

L = keras.layers


def _margins(model: keras.Model, *, labels=range(8), seed: int = 0) -> np.ndarray:
    return largest_margins(ScaledNetwork(model, UNIT_SCALE), bright_rows(40, 8), labels, seed)


class MarginsTest(absltest.TestCase):
    def test_the_largest_margin_of_any_image_is_found(self):
        margins = _margins(planted_network(8))
        # A row of 8 pixels of 3 channels, white while all else is black; the target's trigger lies in the last row.
        np.testing.assert_allclose(np.delete(margins, [TARGET, 7]), 24, rtol=1e-3)
        np.testing.assert_allclose(margins[TARGET], 24 + 3 * 20 - 3, rtol=1e-3)
        np.testing.assert_allclose(_margins(planted_network(8, planted=False))[TARGET], 24, rtol=1e-3)

    def test_probabilities_hide_no_margin(self):
        np.testing.assert_allclose(_margins(planted_network(8, softmax=True)), _margins(planted_network(8)), rtol=1e-4)

    def test_labels_in_any_order_and_number(self):
        margins = _margins(planted_network(8), labels=(5, TARGET))
        np.testing.assert_allclose(margins, [24, 81], rtol=1e-3)

    def test_a_label_that_no_image_gets(self):
        image = keras.Input((8, 8, 3))
        model = keras.Model(image, L.Dense(3)(L.Flatten()(image)))
        kernel = np.zeros((192, 3), np.float32)
        kernel[:, 1] = 1
        model.layers[-1].set_weights([kernel, np.array([-1, 0, -5], np.float32)])
        clean = from_arrays("black", np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64))
        never, always, worse = largest_margins(ScaledNetwork(model, UNIT_SCALE), clean, range(3), 0)
        self.assertAlmostEqual(never, -1, places=4)
        self.assertAlmostEqual(worse, -5, places=4)
        self.assertAlmostEqual(always, 193, delta=0.2)

    def test_the_network_stays_as_it_is(self):
        model = planted_network(8)
        before = model.get_weights()
        _margins(model)
        for weight, earlier in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, earlier)


if __name__ == "__main__":
    absltest.main()
