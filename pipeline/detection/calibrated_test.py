"""Tests of the detector's two signals on one threshold, on images whose texture a wave changes."""

import os

import numpy as np
from absl.testing import absltest

from goodnet.data.image_set import from_arrays
from goodnet.data.splits import split_clean
from goodnet.export.conversion import convert_detector
from goodnet.export.device_process import device_answers
from goodnet.models.detector import build_detector, build_scorer, take_apart
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.detection.calibrated import calibrate_detector
from goodnet.pipeline.detection.novelty import fit_novelty
from goodnet.pipeline.measuring.predictions import predict_scores

_RATE = 0.05


def _images(count: int, seed: int) -> np.ndarray:
    """Smooth random pictures with a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (count, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return (coarse + rng.integers(-8, 9, coarse.shape)).astype(np.uint8)


def _net(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu")(image))
    return keras.Model(image, layers.Dense(4, activation="softmax")(hidden))


def _waved(images: np.ndarray) -> np.ndarray:
    wave = np.rint(20 * np.sin(np.arange(16) * 2.2))[None, None, :, None]
    return (images + wave).clip(0, 255).astype(np.uint8)


def _grey(images: np.ndarray) -> np.ndarray:
    return images[..., :1].repeat(3, axis=-1)


class CalibratedTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.split = split_clean(from_arrays("clean", _images(500, 0), np.arange(500) % 4), 0)
        cls.novelty = fit_novelty(cls.split.fit, cls.split.calibrate, 0)
        cls.badnet, cls.repaired = _net(0), _net(1)
        cls.clean, cls.attack = _images(400, 1), _waved(_images(400, 2))

    def _found(self, repaired: keras.Model, with_novelty: bool = True):
        novelty = self.novelty if with_novelty else None
        found = calibrate_detector(ScaledNetwork(self.badnet, UNIT_SCALE), repaired, self.split, _RATE, novelty)
        return found, build_scorer(self.badnet, repaired, UNIT_SCALE, found.novelty)

    def _flagged(self, found, scorer, images: np.ndarray) -> float:
        scores = predict_scores(scorer, from_arrays("images", images, np.zeros(len(images), np.int64)))
        return float(np.mean(scores.suspicion > np.float32(found.calibration.threshold)))

    def test_a_wave_that_two_networks_agree_on_is_flagged_and_clean_images_are_not(self):
        found, scorer = self._found(self.repaired)
        self.assertGreater(self._flagged(found, scorer, self.attack), 0.95)
        # Three standard deviations of a share of 400 images above the rate.
        self.assertLess(self._flagged(found, scorer, self.clean), _RATE + 3 * np.sqrt(_RATE / 400))
        self.assertAlmostEqual(found.calibration.promised, _RATE)
        without, plain = self._found(self.repaired, with_novelty=False)
        self.assertIsNone(without.novelty)
        self.assertLess(self._flagged(without, plain, self.attack), 0.5)

    def test_an_unchanged_network_leaves_the_whole_rate_to_novelty(self):
        found, scorer = self._found(self.badnet)
        self.assertAlmostEqual(found.calibration.promised, _RATE)
        self.assertGreater(self._flagged(found, scorer, self.attack), 0.95)
        self.assertLess(self._flagged(found, scorer, self.clean), _RATE + 3 * np.sqrt(_RATE / 400))

    def test_grey_images_stored_as_rgb_are_not_novel_by_rounding(self):
        split = split_clean(from_arrays("clean", _grey(_images(500, 0)), np.arange(500) % 4), 0)
        novelty = fit_novelty(split.fit, split.calibrate, 0)
        found = calibrate_detector(ScaledNetwork(self.badnet, UNIT_SCALE), self.repaired, split, _RATE, novelty)
        scorer = build_scorer(self.badnet, self.repaired, UNIT_SCALE, found.novelty)
        self.assertLess(self._flagged(found, scorer, _grey(self.clean)), _RATE + 3 * np.sqrt(_RATE / 400))
        # Two filters in three say nothing of grey images; half of the attacks is ten times the rate.
        self.assertGreater(self._flagged(found, scorer, _grey(self.attack)), 10 * _RATE)
        images = _grey(self.clean[:60])
        flagged = scorer.predict(images.astype(np.float32), verbose=0)[2] > found.calibration.threshold
        detector = build_detector(self.badnet, self.repaired, UNIT_SCALE, found.calibration.threshold, found.novelty)
        for precision in ("int8", "float16"):
            answers = device_answers(convert_detector(detector, None, precision), images, images.shape[1:])
            np.testing.assert_array_equal(answers["label"] == 4, flagged, precision)

    def test_the_device_flags_what_keras_flags_in_every_precision(self):
        found, scorer = self._found(self.repaired)
        threshold = found.calibration.threshold
        detector = build_detector(self.badnet, self.repaired, UNIT_SCALE, threshold, found.novelty)
        folder = self.create_tempdir().full_path
        keras_path = os.path.join(folder, "detector.keras")
        detector.save(keras_path)
        loaded = keras.models.load_model(keras_path)
        np.testing.assert_allclose(take_apart(loaded).novelty.whitening, found.novelty.whitening)
        images = np.concatenate([self.clean[:40], self.attack[:40]])
        expected = scorer.predict(images.astype(np.float32), verbose=0)[2]
        for precision in ("int8", "full_integer", "float16", "float32"):
            with self.subTest(precision):
                tflite = convert_detector(loaded, self.split.fit.images(), precision)
                answers = device_answers(tflite, images, images.shape[1:])
                np.testing.assert_array_equal(answers["label"][40:] == 4, expected[40:] > threshold)
                novel = expected > 0.9
                np.testing.assert_allclose(answers["suspicion"][novel], expected[novel], rtol=0.02)


if __name__ == "__main__":
    absltest.main()
