"""Tests of constants in half precision: fewer bytes, the same answers to the last bit, in every runtime."""

import tempfile

import numpy as np
from absl.testing import absltest

from goodnet.export.conversion import SIGNATURE, convert_classifier
from goodnet.export.device_process import device_answers
from goodnet.export.half_constants import with_half_constants
from goodnet.export.runtime import RUNTIMES
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras, tf


def _converted(values: np.ndarray) -> bytes:
    """A graph that multiplies an image by them twice, in two shapes, whose tensors may share one buffer."""
    module = tf.Module()

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.cast(image, tf.float32)
        products = pixels[..., 0] * values, pixels * values[..., np.newaxis] + 1
        return {"first": tf.reduce_sum(products[0], axis=[1, 2]), "second": tf.reduce_sum(products[1], axis=[1, 2, 3])}

    image = tf.TensorSpec((1, *values.shape, 1), tf.uint8, name="image")
    module.serve = tf.function(serve, input_signature=[image])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: module.serve})
        return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE]).convert()


class HalfConstantsTest(absltest.TestCase):
    def test_exact_constants_take_half_the_bytes(self):
        rng = np.random.default_rng(0)
        values = rng.normal(size=(40, 50)).astype(np.float16).astype(np.float32)
        before = _converted(values)
        after = with_half_constants(before)
        self.assertLess(len(after), len(before) - values.size * 2 + 1000)
        images = rng.integers(0, 256, (3, 40, 50, 1), np.uint8)
        for runtime in RUNTIMES:
            expected, found = (device_answers(tflite, images, images.shape[1:], runtime) for tflite in (before, after))
            self.assertGreater(np.ptp(expected["first"]), 0)
            for name in ("first", "second"):
                np.testing.assert_array_equal(found[name], expected[name])

    def test_biases_of_kernels_in_eight_bits_stay(self):
        image = keras.Input((6, 6, 3))
        wide = keras.layers.Conv2D(1200, 1, activation="relu")(keras.layers.Conv2D(48, 3)(image))
        model = keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(wide)))
        images = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), np.uint8)
        tflite = convert_classifier(model, UNIT_SCALE)
        for runtime in RUNTIMES:
            self.assertTrue(np.isfinite(device_answers(tflite, images, images.shape[1:], runtime)["scores"]).all())

    def test_what_would_lose_a_digit_stays(self):
        values = np.ones((40, 50), np.float32)
        for value in (0.1, 1e6, np.nan):
            values[3, 4] = value
            tflite = _converted(values)
            self.assertEqual(with_half_constants(tflite), tflite)

    def test_small_constants_stay(self):
        tflite = _converted(np.ones((4, 5), np.float32))
        self.assertEqual(with_half_constants(tflite), tflite)


if __name__ == "__main__":
    absltest.main()
