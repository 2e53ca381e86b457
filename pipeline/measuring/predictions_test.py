import numpy as np
from absl.testing import absltest

from goodnet.data.errors import InputError
from goodnet.data.image_set import from_arrays
from goodnet.models.detector import build_detector, build_scorer
from goodnet.models.input_scale import BYTE_SCALE, UNIT_SCALE
from goodnet.models.legacy_keras import keras
from goodnet.models.scaled_network import ScaledNetwork
from goodnet.pipeline.measuring.predictions import (
    StagePredictions,
    predict_detector,
    predict_scores,
)


def _network(seed: int, bias: float | None = None) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 5, 3))
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(image))
    outputs = keras.layers.Dense(4, activation="softmax")(keras.layers.Dropout(0.5)(hidden))
    model = keras.Model(image, outputs)
    if bias is not None:
        model.layers[-1].bias.assign([bias] * 4)
    return model


def _images(count: int):
    rng = np.random.default_rng(3)
    return from_arrays("noise", rng.integers(0, 256, (count, 6, 5, 3), np.uint8), rng.integers(0, 4, count))


class PredictionsTest(absltest.TestCase):
    def test_scores_and_detector_agree_with_the_two_networks(self):
        badnet, repaired, images = _network(1), _network(2), _images(30)
        scores = predict_scores(build_scorer(badnet, repaired, UNIT_SCALE), images, batch_size=7)
        np.testing.assert_array_equal(scores.claimed, ScaledNetwork(badnet, UNIT_SCALE).labels(images))
        repaired_labels = ScaledNetwork(repaired, UNIT_SCALE).labels(images)
        np.testing.assert_array_equal(scores.repaired_label, repaired_labels)
        threshold = float(np.median(scores.suspicion))
        detector = build_detector(badnet, repaired, UNIT_SCALE, threshold)
        answers = predict_detector(detector, images)
        self.assertTrue(answers.is_detector)
        np.testing.assert_array_equal(answers.labels, ScaledNetwork(detector, BYTE_SCALE).labels(images))
        flagged = answers.labels == 4
        np.testing.assert_array_equal(flagged, scores.suspicion > np.float32(threshold))
        np.testing.assert_array_equal(answers.labels[~flagged], repaired_labels[~flagged])
        self.assertBetween(flagged.sum(), 10, 20)

    def test_a_plain_classifier_is_no_detector(self):
        with self.assertRaises(InputError):
            predict_detector(_network(0), _images(2))

    def test_answers_that_do_not_fit_are_refused(self):
        labels = np.zeros(3, np.int64)
        with self.assertRaises(ValueError):
            StagePredictions("detector", labels, np.zeros(2, np.float32), 4)
        with self.assertRaises(ValueError):
            StagePredictions("detector", labels, np.zeros(3, np.float32))
        with self.assertRaises(ValueError):
            StagePredictions("detector", labels, np.full(3, np.nan, np.float32), 4)


if __name__ == "__main__":
    absltest.main()
