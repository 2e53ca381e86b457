"""Tests of Keras models in memory, of both versions."""

import keras as keras_3
import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model
from goodnet.models.saving import save_network
from goodnet.pipeline.api.keras_models import in_keras_3, is_keras_3, write_model

_IMAGES = np.random.default_rng(0).random((5, 8, 8, 3)).astype(np.float32)


def _network(version):
    layers = version.layers
    model = version.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.SpatialDropout2D(0.1),
            layers.SeparableConv2D(6, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", loss=lambda truth, answer: answer[:, 0])
    return model


class LiveModelTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def test_both_versions_are_written_and_opened(self):
        for version in (keras, keras_3):
            model = _network(version)
            self.assertEqual(is_keras_3(model), version is keras_3)
            opened = open_model(write_model(model, self.folder, "model"))
            np.testing.assert_allclose(opened.predict_on_batch(_IMAGES), model.predict_on_batch(_IMAGES), atol=1e-6)
            self.assertIsNotNone(model.optimizer)

    def test_a_network_goes_to_keras_3(self):
        model = _network(keras)
        path = f"{self.folder}/net.h5"
        save_network(model, path)
        found = in_keras_3(path, model)
        self.assertIsInstance(found, keras_3.Model)
        np.testing.assert_allclose(found.predict_on_batch(_IMAGES), model.predict_on_batch(_IMAGES), atol=1e-5)

    def test_what_keras_3_lacks_stays_in_keras_2(self):
        image = keras.Input((8, 8, 3))
        model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image * 2.0)))
        path = f"{self.folder}/net.h5"
        save_network(model, path)
        with self.assertLogs("goodnet", "WARNING") as logged:
            self.assertIs(in_keras_3(path, model), model)
        self.assertIn("comes back in Keras 2", logged.output[0])

    def test_another_network_is_noticed(self):
        path = f"{self.folder}/net.h5"
        save_network(_network(keras), path)
        with self.assertRaisesRegex(InputError, "model: Keras 3 answers otherwise"):
            in_keras_3(path, _network(keras))

    def test_what_is_no_network_is_refused(self):
        class Subclassed(keras.Model):
            def call(self, inputs):
                return inputs

        unbuilt = keras_3.Sequential([keras_3.layers.Dense(2)])
        for model in (Subclassed(), unbuilt, "a.h5", keras.layers.Dense(2), None):
            with self.assertRaisesRegex(InputError, "^model: .*expected the path .* Keras 2 or Keras 3") as raised:
                write_model(model, self.folder, "model")
            self.assertNotIn("\n", str(raised.exception))


if __name__ == "__main__":
    absltest.main()
