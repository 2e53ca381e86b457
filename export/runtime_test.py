import os
import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.export.bundle import DetectorCard, add_bundle
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.export.runtime import RUNTIMES, Classification, Classifier, Detector, open_tflite
from goodnet.models.detector import take_apart
from goodnet.models.input_scale import UNIT_SCALE
from goodnet.models.legacy_keras import tf
from testing.device_case import BACKDOOR, COLOURS, THRESHOLD, case_detector, case_images

_SHAPE = (8, 8, 3)

# tflite_runtime can't be imported beside TensorFlow, nor need it be: this is how a device uses it.
_OPEN_AND_DETECT = """
import sys, numpy
from goodnet.export.runtime import open_tflite
try:
    print(open_tflite(sys.argv[1], runtime=sys.argv[2]).detect(numpy.zeros((8, 8, 3), numpy.uint8)))
except ValueError as error:
    print("ValueError:", error)
assert "tensorflow" not in sys.modules
"""


def _card(**fields) -> DetectorCard:
    known = {"classes": len(COLOURS), "image_shape": _SHAPE, "precision": "int8", "threshold": THRESHOLD}
    return DetectorCard(**{**known, **fields})


def _open_and_detect(path: str, runtime: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", _OPEN_AND_DETECT, path, runtime]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class RuntimeTest(parameterized.TestCase):
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

    @parameterized.parameters(*RUNTIMES)
    def test_a_file_cut_short_by_a_few_bytes(self, runtime):
        whole = add_bundle(self.graph, _card())
        for cut in (1, 30, 200):
            path = self._written("cut.tflite", whole[:-cut])
            done = _open_and_detect(path, runtime)
            self.assertStartsWith(done.stdout, f"ValueError: {path}: it")
            self.assertLen(done.stdout.splitlines(), 1)

    @parameterized.parameters(0, -1, 257, 1_000_000)
    def test_threads_are_bounded(self, threads):
        with self.assertRaisesRegex(ValueError, f"{threads} threads; expected 1 to 256"):
            Detector(self.path, threads=threads)

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

    @parameterized.parameters(*RUNTIMES)
    def test_damaged_files_are_one_line_and_no_crash(self, runtime):
        bundled = add_bundle(self.graph, _card())
        changed = bytearray(bundled)
        changed[len(self.graph) // 2] ^= 255
        cases = {
            "empty": b"",
            "text": b"no model at all" * 100,
            "magic": b"\x1c\0\0\0TFL3" + b"\xff" * 1000,
            "half": self.graph[: len(self.graph) // 2],
            "changed": bytes(changed),
            "card_of_another": add_bundle(self.graph, _card(image_shape=(4, 4, 3))),
        }
        for name, contents in cases.items():
            path = self._written(f"{name}.tflite", contents)
            done = _open_and_detect(path, runtime)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
            self.assertStartsWith(done.stdout, f"ValueError: {path}: ")
            self.assertLen(done.stdout.splitlines(), 1)

    @parameterized.parameters(*RUNTIMES)
    def test_every_runtime_without_tensorflow(self, runtime):
        done = _open_and_detect(self.path, runtime)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertStartsWith(done.stdout, "Detection(label=")

    def test_missing_file_and_missing_runtime(self):
        path = os.path.join(self.folder, "nowhere.tflite")
        with self.assertRaisesRegex(ValueError, "nowhere.tflite: No such file"):
            Detector(path)
        with self.assertRaisesRegex(ValueError, "a folder; expected a regular file"):
            Detector(self.folder)
        pipe = os.path.join(self.folder, "pipe.tflite")
        os.mkfifo(pipe)
        with self.assertRaisesRegex(ValueError, "a pipe; expected a regular file"):
            Detector(pipe)
        with self.assertRaisesRegex(ImportError, "no TFLite runtime"):
            Detector(self.path, runtime="no_such_runtime")


if __name__ == "__main__":
    absltest.main()
