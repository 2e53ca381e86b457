"""Tests of the features, on networks of every form."""

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.models.features import features_of
from goodnet.models.input_scale import BYTE_SCALE, UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork

L = keras.layers


def _convolutions(*head: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([L.InputLayer((4, 6, 3)), L.Conv2D(5, 1, activation="relu", name="last"), *head])


def _tokens() -> keras.Model:
    image = keras.Input((4, 6, 3))
    tokens = L.Reshape((24, 3))(image)
    return keras.Model(image, L.GlobalAveragePooling1D()(L.Dense(4)(tokens)))


def _used_twice() -> keras.Model:
    image = keras.Input((4, 6, 3))
    twice, classes = L.Conv2D(3, 1), L.Dense(4)
    pooled = L.GlobalAveragePooling2D()(twice(twice(image)))
    return keras.Model(image, L.Add()([classes(pooled), classes(pooled)]))


class FeaturesTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("of_each_place", _convolutions(L.Flatten(), L.Dense(4)), 4 * 6 * 5),
        ("averaged_before_the_classes", _convolutions(L.GlobalAveragePooling2D(), L.Dense(4), L.Softmax()), 5),
        ("under_what_has_no_kernel", _convolutions(L.GlobalMaxPool2D(), L.Dense(4), L.BatchNormalization()), 5),
        ("classes_at_each_place", _convolutions(L.Conv2D(4, 1), L.GlobalAveragePooling2D()), 5),
        ("tokens", _tokens(), 3),
        ("layers_used_twice", _used_twice(), 3),
        ("no_kernel_at_all", keras.Sequential([L.InputLayer((4, 6, 3)), L.GlobalAveragePooling2D()]), 3),
    )
    def test_how_many(self, model, count):
        images = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3)).astype(np.uint8)
        self.assertEqual(features_of(ScaledNetwork(model, UNIT_SCALE))(images).shape, (7, count))

    def test_a_linear_classifier_makes_its_classes_of_them(self):
        model = _convolutions(L.GlobalAveragePooling2D(), L.Dense(4, name="classes"))
        images = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3)).astype(np.uint8)
        network = ScaledNetwork(model, BYTE_SCALE)
        kernel, bias = model.get_layer("classes").get_weights()
        expected = model.predict_on_batch(network.scale.apply(images))
        np.testing.assert_allclose(features_of(network)(images) @ kernel + bias, expected, rtol=1e-4, atol=1e-3)


if __name__ == "__main__":
    absltest.main()
