"""Tests of the preprocessing between raw pixels and a network."""

import json
import os

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.input_scale import (
    BYTE_SCALE,
    CAFFE_SCALE,
    DEFAULT_SCALES,
    PER_IMAGE_SCALE,
    SYMMETRIC_SCALE,
    TORCH_SCALE,
    UNIT_SCALE,
    InputScale,
    mean_std_scale,
)
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.opening import open_model

_IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)


class InputScaleTest(parameterized.TestCase):
    @parameterized.parameters((UNIT_SCALE, 0.0, 1.0), (BYTE_SCALE, 0.0, 255.0), (SYMMETRIC_SCALE, -1.0, 1.0))
    def test_ends_of_the_range(self, scale, low, high):
        scaled = scale.apply(np.array([[[[0, 255, 0]]]], np.uint8))
        self.assertEqual(scaled.dtype, np.float32)
        np.testing.assert_allclose(scaled.ravel(), [low, high, low], atol=1e-6)

    @parameterized.parameters(*DEFAULT_SCALES, mean_std_scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    def test_layer_and_tensor_do_what_apply_does_also_after_saving(self, scale):
        for suffix in ("h5", "keras"):
            model = keras.Sequential([keras.layers.Input((3, 4, 3)), scale.layer((3, 4, 3))])
            path = os.path.join(self.create_tempdir(), f"scale.{suffix}")
            model.save(path)
            opened = open_model(path, flat=False)
            np.testing.assert_allclose(opened(_IMAGES.astype(np.float32)), scale.apply(_IMAGES), rtol=1e-5, atol=1e-4)
            self.assertEqual(opened.layers[-1].name, "input_scale")
        stacked = scale.tensor(tf.constant(_IMAGES[None], tf.float32))
        np.testing.assert_allclose(stacked[0], scale.apply(_IMAGES), rtol=1e-5, atol=1e-4)

    @parameterized.parameters(("tf", SYMMETRIC_SCALE), ("caffe", CAFFE_SCALE), ("torch", TORCH_SCALE))
    def test_the_modes_of_keras_applications(self, mode, scale):
        expected = keras.applications.imagenet_utils.preprocess_input(_IMAGES.astype(np.float32), mode=mode)
        np.testing.assert_allclose(scale.apply(_IMAGES), expected, atol=1e-4)

    def test_per_image_standardisation(self):
        flat = np.full((1, 3, 4, 3), 7, np.uint8)
        for images in (_IMAGES, flat):
            expected = tf.image.per_image_standardization(tf.constant(images))
            np.testing.assert_allclose(PER_IMAGE_SCALE.apply(images), expected, atol=1e-5)

    def test_bgr_keeps_each_channels_numbers(self):
        scale = mean_std_scale((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
        np.testing.assert_allclose(scale.with_bgr().apply(_IMAGES), scale.apply(_IMAGES)[..., ::-1], atol=1e-6)

    @parameterized.parameters(*DEFAULT_SCALES)
    def test_survives_a_manifest(self, scale):
        self.assertEqual(InputScale.from_json(json.loads(json.dumps(scale.to_json()))), scale)

    def test_reads_manifests_that_knew_scale_and_offset_only(self):
        stored = {"name": "-1..1", "scale": [1 / 127.5], "offset": [-1.0]}
        self.assertEqual(InputScale.from_json(stored), SYMMETRIC_SCALE)

    def test_refuses_other_content(self):
        rest = {"name": "x", "offset": [0]}
        for stored in (
            None,
            [],
            {},
            {"scale": [1.0], "offset": [0.0]},
            *({**rest, "scale": scale} for scale in ([], [1, 2], ["a"], [float("nan")], 1)),
            {**rest, "scale": [1], "bgr": "no"},
        ):
            with self.subTest(str(stored)), self.assertRaisesRegex(InputError, "input scale: .*expected"):
                InputScale.from_json(stored)

    def test_mean_std(self):
        scale = mean_std_scale((0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
        np.testing.assert_allclose(scale.apply(np.full((1, 1, 1, 3), 255, np.uint8)).ravel(), [1, 3, 1], atol=1e-6)

    @parameterized.parameters(
        ((float("nan"),), (0.5,)),
        ((0.5,), (float("nan"),)),
        ((0.5,), (float("inf"),)),
        ((127.5,), (127.5,)),
        ((0.5,), (0.0,)),
        ((0.5,) * 3, (0.5,)),
        ((0.5, 0.5), (0.5, 0.5)),
    )
    def test_refuses_what_is_no_mean_and_deviation(self, mean, std):
        with self.assertRaises(InputError):
            mean_std_scale(mean, std)


if __name__ == "__main__":
    absltest.main()
