"""Tests of what a network is said to answer."""

import numpy as np
from absl.testing import absltest

from goodnet.models.answers import answers_of
from goodnet.models.input_scale import SYMMETRIC_SCALE
from goodnet.models.legacy_keras import keras


class AnswersTest(absltest.TestCase):
    def test_probabilities_on_its_own_scale(self):
        network = keras.Sequential(
            [keras.layers.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
        )
        network.layers[-1].set_weights([np.float32([[1, 0], [0, 0], [0, 0]]), np.zeros(2, np.float32)])
        answers = answers_of(network, SYMMETRIC_SCALE)(np.full((1, 8, 8, 3), 255, np.uint8))
        np.testing.assert_allclose(answers, [[np.e / (np.e + 1), 1 / (np.e + 1)]], rtol=1e-5)


if __name__ == "__main__":
    absltest.main()
