"""Tests of what detectors and classifiers say on a device."""

import os
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.export.answers import Classification, Classifier, Detector, open_tflite
from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.models.detector import take_apart
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import tf
from testing.device_case import BACKDOOR, COLOURS, THRESHOLD, case_detector, case_images

_SHAPE = (8, 8, 3)


def _card(**fields) -> DetectorCard:
    known = {"classes": len(COLOURS), "image_shape": _SHAPE, "precision": "int8", "threshold": THRESHOLD}
    return DetectorCard(**{**known, **fields})


class AnswersTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.detector = case_detector()
        cls.graph = convert_detector(cls.detector)
        cls.path = cls._written("detector.tflite", add_bundle(cls.graph, _card()))

    @classmethod
    def _written(cls, name: str, contents: bytes) -> str:
        path = os.path.join(cls.folder, name)
        with open(path, "wb") as file:
            file.write(contents)
        return path

    def test_known_answers(self):
        detector = Detector(self.path)
        self.assertEqual((detector.classes, detector.threshold), (len(COLOURS), THRESHOLD))
        for name, (image, label) in case_images().items():
            found = detector.detect(image)
            self.assertEqual(found.label, label, name)
            self.assertEqual(found.is_backdoor, label == BACKDOOR, name)
            self.assertEqual(found.suspicion > THRESHOLD, found.is_backdoor, name)
            self.assertEqual(found.claimed, COLOURS.index("blue") if label == BACKDOOR else label, name)

    def test_a_stricter_threshold_needs_no_new_file(self):
        red, _ = case_images()["0-red"]
        suspicion = Detector(self.path).detect(red).suspicion
        self.assertBetween(suspicion, 1e-6, THRESHOLD)
        self.assertFalse(Detector(self.path, threshold=suspicion).detect(red).is_backdoor)
        stricter = Detector(self.path, threshold=suspicion * 0.9).detect(red)
        self.assertEqual((stricter.label, stricter.is_backdoor), (BACKDOOR, True))
        self.assertEqual((stricter.claimed, stricter.suspicion), (0, suspicion))

    def test_a_looser_threshold_is_refused(self):
        with self.assertRaisesRegex(ValueError, "looser than 0.5"):
            Detector(self.path, threshold=0.6)
        for threshold in (-0.1, 1.1, float("nan")):
            with self.assertRaisesRegex(ValueError, r"expected a number in \[0, 1\]"):
                Detector(self.path, threshold=threshold)

    def test_the_threshold_in_the_file_is_not_looser_than_itself(self):
        built = float(np.float32(0.1))
        path = self._written("tenth.tflite", add_bundle(self.graph, _card(threshold=0.1)))
        self.assertNotEqual(built, 0.1)
        for threshold in (0.1, built):
            self.assertEqual(Detector(path, threshold=threshold).threshold, threshold)

    def test_without_a_card_the_graph_decides(self):
        path = self._written("bare.tflite", self.graph)
        with self.assertRaisesRegex(ValueError, "bare.tflite: it has no card"):
            Detector(path)
        detector = Detector(path, allow_missing_card=True)
        self.assertEqual((detector.classes, detector.threshold), (len(COLOURS), None))
        for name, (image, label) in case_images().items():
            found = detector.detect(image)
            self.assertEqual((found.label, found.is_backdoor), (label, label == BACKDOOR), name)

    def test_an_unfit_image_is_refused(self):
        detector = Detector(self.path)
        for image in (
            np.zeros((9, 8, 3), np.uint8),
            np.zeros((8, 8), np.uint8),
            np.zeros((1, *_SHAPE), np.uint8),
            np.zeros(_SHAPE, np.float32),
        ):
            with self.assertRaisesRegex(ValueError, "expected uint8 8 x 8 x 3") as caught:
                detector.detect(image)
            self.assertNotIn("\n", str(caught.exception))

    def test_plain_classifier(self):
        contents = convert_classifier(take_apart(self.detector).badnet, UNIT_SCALE)
        path = self._written("classifier.tflite", add_bundle(contents, _card(threshold=None)))
        classifier = Classifier(path)
        self.assertIsInstance(open_tflite(path), Classifier)
        for image, label in case_images().values():
            found = classifier.classify(image)
            self.assertIsInstance(found, Classification)
            self.assertEqual(found.label, COLOURS.index("blue") if label == BACKDOOR else label)
            self.assertBetween(found.confidence, 1 / len(COLOURS), 1)
        with self.assertRaisesRegex(ValueError, "no suspicion"):
            open_tflite(path, threshold=0.5)
        with self.assertRaisesRegex(ValueError, "outputs"):
            Detector(path)
        self.assertIsInstance(open_tflite(self.path), Detector)
        with self.assertRaisesRegex(ValueError, "outputs"):
            Classifier(self.path)

    def _answering(self, **answers):
        """A detector, or a classifier, whose graph answers what is given to a black image."""

        def answer(image):
            black = tf.cast(image[:, 0, 0, 0], tf.float32)
            numbers = {name: value(black) if callable(value) else black + value for name, value in answers.items()}
            return {
                name: tf.cast(numbers[name], tf.int32) if name in ("label", "claimed") else numbers[name]
                for name in numbers
            }

        served = tf.Module()
        served.answer = tf.function(answer, input_signature=[tf.TensorSpec((1, *_SHAPE), tf.uint8, name="image")])
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(served, folder, signatures={"serving_default": served.answer})
            graph = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"]).convert()
        card = _card(threshold=None if "confidence" in answers else THRESHOLD)
        return open_tflite(self._written("answering.tflite", add_bundle(graph, card)))

    @parameterized.named_parameters(("nan", lambda black: black / black), ("infinity", lambda black: 1 / black))
    def test_a_suspicion_that_is_no_number_is_flagged(self, suspicion):
        found = self._answering(label=1, claimed=1, suspicion=suspicion).detect(np.zeros(_SHAPE, np.uint8))
        self.assertFalse(np.isfinite(found.suspicion))
        self.assertEqual((found.label, found.is_backdoor, found.claimed), (BACKDOOR, True, 1))

    def test_a_class_that_there_is_not(self):
        image = np.zeros(_SHAPE, np.uint8)
        for answers in ({"label": 4, "claimed": 0}, {"label": 0, "claimed": 3}, {"label": -1, "claimed": 0}):
            with self.assertRaisesRegex(ValueError, r"it answers class -?\d; expected 0 to [23]"):
                self._answering(**answers, suspicion=0.1).detect(image)
        with self.assertRaisesRegex(ValueError, "it answers class 3; expected 0 to 2"):
            self._answering(label=3, confidence=0.5).classify(image)
        with self.assertRaisesRegex(ValueError, "it answers confidence nan"):
            self._answering(label=1, confidence=lambda black: black / black).classify(image)


if __name__ == "__main__":
    absltest.main()
