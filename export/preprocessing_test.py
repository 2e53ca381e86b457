"""Tests that every preprocessing is the same in the Keras detector, in its file and on the device."""

import os

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.export.parity import check_classifier_parity, check_parity
from goodnet.models.detector import build_detector, take_apart
from goodnet.models.input_scale import CAFFE_SCALE, PER_IMAGE_SCALE, TORCH_SCALE, UNIT_SCALE, InputScale
from goodnet.models.legacy_keras import keras
from goodnet.models.loading.opening import open_model

_SHAPE = (8, 8, 3)
_CLASSES = 3


def _images(count: int) -> np.ndarray:
    """Red, green or blue, of any brightness."""
    rng = np.random.default_rng(0)
    tints = np.eye(3)[np.arange(count) % 3] * 90 + rng.integers(20, 90, (count, 1))
    images = (tints[:, None, None] + rng.integers(0, 60, (count, *_SHAPE))).astype(np.uint8)
    # Of little contrast: a standard deviation of 1 beside others of 50.
    images[::4] = 100 + 2 * (images[::4] > 100)
    return images


def _net(sharpness: float, input_scale: InputScale) -> keras.Model:
    """Answers the tint, in the order of the channels that it takes; as surely on any scale."""
    image = keras.Input(_SHAPE)
    features = keras.layers.AveragePooling2D(2)(keras.layers.Rescaling(1 / (255 * max(input_scale.scale)))(image))
    logits = keras.layers.Dense(_CLASSES, activation="softmax", name="logits")(keras.layers.Flatten()(features))
    model = keras.Model(image, logits)
    model.get_layer("logits").set_weights([sharpness * np.tile(np.eye(3), (16, 1)), np.zeros(3)])
    return model


class PreprocessingTest(parameterized.TestCase):
    @parameterized.parameters(UNIT_SCALE.with_bgr(), CAFFE_SCALE, TORCH_SCALE.with_bgr(), PER_IMAGE_SCALE)
    def test_detector_and_classifier(self, input_scale):
        folder, images = self.create_tempdir().full_path, _images(60)
        detector = build_detector(_net(0.4, input_scale), _net(0.2, input_scale), input_scale, 0.5)
        path = os.path.join(folder, "detector.keras")
        detector.save(path)
        opened = open_model(path, flat=False)
        np.testing.assert_allclose(opened(images.astype(np.float32)), detector(images.astype(np.float32)), atol=1e-5)
        np.testing.assert_allclose(
            take_apart(opened).input_scale(images.astype(np.float32)), input_scale.apply(images), rtol=1e-5, atol=1e-3
        )
        for precision in ("int8", "float16", "full_integer"):
            with self.subTest(precision):
                tflite = os.path.join(folder, f"{precision}.tflite")
                with open(tflite, "wb") as file:
                    file.write(convert_detector(opened, images, precision))
                parity = check_parity(opened, tflite, images)
                self.assertGreaterEqual(parity.same_claimed, 59, str(parity))
                self.assertLess(parity.mean_difference, 0.05, str(parity))
        with open(tflite, "wb") as file:
            file.write(convert_classifier(_net(0.4, input_scale), input_scale, images))
        parity = check_classifier_parity(_net(0.4, input_scale), input_scale, tflite, images)
        self.assertGreaterEqual(parity.same_label, 59, str(parity))


if __name__ == "__main__":
    absltest.main()
