import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.export.conversion import convert_classifier, convert_detector
from goodnet.export.device_process import device_answers
from goodnet.export.parity import check_classifier_parity, check_parity
from goodnet.export.precisions import PRECISIONS
from goodnet.export.runtime import RUNTIMES
from goodnet.models.detector import build_detector, build_scorer, take_apart
from goodnet.models.input_scale import BYTE_SCALE, UNIT_SCALE, mean_std_scale
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.novelty import FilterBank, Novelty, statistics
from testing.device_case import BACKDOOR, case_detector, case_images

_SHAPE = (12, 10, 3)
_CLASSES = 4

# Both runtimes say what a signature looks like; tflite_runtime only in a process without TensorFlow.
_DESCRIBE = """
import importlib, json, sys
interpreter = importlib.import_module(sys.argv[1] + ".interpreter").Interpreter(sys.argv[2])
runner = interpreter.get_signature_runner("serving_default")
def plain(details):
    return {name: [d["dtype"].__name__, d["shape"].tolist(), list(d["quantization"])] for name, d in details.items()}
types = [tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4]
print(json.dumps([list(interpreter.get_signature_list()), plain(runner.get_input_details()),
                  plain(runner.get_output_details()), types]))
"""


# All that a microcontroller needs to run: TFLite Micro has a kernel for each of these, and for no SELECT.
_OPERATIONS = {
    *("ABS", "ADD", "ARG_MAX", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "CONV_2D", "DEQUANTIZE", "DIV"),
    *(
        "FULLY_CONNECTED",
        "GATHER",
        "LESS_EQUAL",
        "LOG",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PACK",
        "QUANTIZE",
    ),
    *("REDUCE_MAX", "RESHAPE", "SOFTMAX", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM"),
}

# All images at once: what the graph is made of, the constant that stands for N, and all outputs.
_AT_ONCE = """
import importlib, json, sys
import numpy as np
interpreter = importlib.import_module(sys.argv[1] + ".interpreter").Interpreter(sys.argv[2])
images = np.load(sys.argv[3])
image = interpreter.get_input_details()[0]["index"]
interpreter.resize_tensor_input(image, images.shape)
interpreter.allocate_tensors()
interpreter.set_tensor(image, images)
interpreter.invoke()
constants = [t for t in interpreter.get_tensor_details() if t["name"].split("/")[-1].split(";")[0] == "backdoor_label"]
print(json.dumps([[operation["op_name"] for operation in interpreter._get_ops_details()],
                  [int(interpreter.get_tensor(t["index"]).reshape(-1)[0]) for t in constants],
                  [interpreter.get_tensor(t["index"]).tolist() for t in interpreter.get_output_details()]]))
"""


def _describe(runtime: str, path: str):
    done = subprocess.run([sys.executable, "-c", _DESCRIBE, runtime, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _images(count: int, seed: int = 0) -> np.ndarray:
    """Noise over one of four tints, so that a net with any weights tells them apart with some margin."""
    rng = np.random.default_rng(seed)
    tints = np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200), (120, 120, 120)])[rng.integers(0, 4, count)]
    return np.clip(tints[:, None, None] + rng.normal(0, 40, (count, *_SHAPE)), 0, 255).astype(np.uint8)


def _net(seed: int, logits: bool = False, shape=_SHAPE) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input(shape)
    features = keras.layers.Conv2D(16, 3, use_bias=False)(image)
    features = keras.layers.ReLU()(keras.layers.BatchNormalization()(features))
    features = keras.layers.MaxPooling2D()(features)
    features = keras.layers.Conv2D(24, 3, padding="same", activation="relu")(features)
    features = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(features))
    last = keras.layers.Dense(_CLASSES, None if logits else "softmax")
    model = keras.Model(image, last(features))
    # No class wins everywhere: the mean logits of the tints are made equal.
    if shape == _SHAPE:
        kernel, bias = last.get_weights()
        mean = keras.Model(image, features).predict(_images(100, seed=2) / np.float32(255), verbose=0).mean(0)
        last.set_weights([kernel * 4, bias - mean @ kernel * 4])
    return model


def _by_brightness(label: int, strength: float) -> keras.Model:
    """Class 3, or a given one where an image is bright; the surer, the larger `strength`."""
    model = keras.Sequential(
        [keras.layers.Input(_SHAPE), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(_CLASSES)]
    )
    kernel = np.zeros((3, _CLASSES))
    kernel[:, label], kernel[:, 3] = strength, -strength
    # The darkest of the tints goes to class 3; three brightnesses of the channels make 1.
    model.set_weights([kernel, strength * np.eye(_CLASSES)[3] - strength * np.eye(_CLASSES)[label]])
    return model


def _answers(path: str, images: np.ndarray, runtime: str | None = None) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        return device_answers(file.read(), images, _SHAPE, runtime)


def _novelty(images: np.ndarray) -> Novelty:
    rng = np.random.default_rng(0)
    filters = (rng.normal(size=(5, 5, count)).astype(np.float32) / 50 for count in (8, 8, 8, 2, 2, 2))
    bank = FilterBank(np.tile(np.eye(3, dtype=np.float32), 2), tuple(filters))
    found = statistics([images], bank)
    mean, deviation = found.mean(axis=0), found.std(axis=0)
    return Novelty(bank, mean, deviation, np.eye(len(mean), dtype=np.float32))


def _median_threshold(badnet: keras.Model, repaired: keras.Model, images: np.ndarray) -> float:
    scores = build_scorer(badnet, repaired, UNIT_SCALE).predict(images.astype(np.float32), verbose=0)[2]
    # In the widest gap about the middle, so that the precision under test decides alike on both sides of it.
    scores = np.sort(scores)[len(scores) // 3 : -len(scores) // 3]
    widest = np.argmax(np.diff(scores))
    return float(scores[widest] + scores[widest + 1]) / 2


class ConversionTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.badnet, cls.repaired = _net(0), _net(1, logits=True)
        cls.threshold = _median_threshold(cls.badnet, cls.repaired, _images(60))
        cls.detector = build_detector(cls.badnet, cls.repaired, UNIT_SCALE, cls.threshold)

    def _written(self, contents: bytes) -> str:
        path = os.path.join(self.create_tempdir().full_path, "detector.tflite")
        with open(path, "wb") as file:
            file.write(contents)
        return path

    @parameterized.parameters(*PRECISIONS)
    def test_both_runtimes_answer_as_keras(self, precision):
        path = self._written(convert_detector(self.detector, _images(70, seed=1), precision))
        close = {"int8": 0.03, "full_integer": 0.15, "float16": 0.005, "float32": 1e-5}[precision]
        for runtime in RUNTIMES:
            signatures, inputs, outputs, _ = _describe(runtime, path)
            self.assertEqual(signatures, ["serving_default"])
            self.assertEqual(list(inputs), ["image"])
            self.assertEqual(inputs["image"][:2], ["uint8", [1, *_SHAPE]])
            expected = {"label": "int32", "claimed": "int32", "suspicion": "float32", "scores": "float32"}
            self.assertEqual({name: found[0] for name, found in outputs.items()}, expected)
            shapes = {name: [1, _CLASSES + 1] if name == "scores" else [1] for name in expected}
            self.assertEqual({name: found[1] for name, found in outputs.items()}, shapes)
            parity = check_parity(self.detector, path, _images(60), runtime)
            self.assertEqual(parity.runtime, runtime)
            self.assertGreaterEqual(parity.same_label, 60 if precision != "full_integer" else 57, str(parity))
            self.assertGreaterEqual(parity.same_claimed, 60 if precision != "full_integer" else 57, str(parity))
            self.assertLess(parity.max_difference, close)

    @parameterized.product(precision=PRECISIONS, strength=(10.0, 1e3))
    def test_nets_that_are_sure_and_contradict_each_other_are_flagged(self, precision, strength):
        badnet, repaired = _by_brightness(0, strength), _by_brightness(1, strength)
        images = _images(40)
        scores = build_scorer(badnet, repaired, UNIT_SCALE).predict(images.astype(np.float32), verbose=0)[2]
        threshold = float(np.median(scores)) if strength < 100 else 0.97
        detector = build_detector(badnet, repaired, UNIT_SCALE, threshold)
        for runtime in RUNTIMES:
            path = self._written(convert_detector(detector, images, precision))
            answers = _answers(path, images, runtime)
            self.assertTrue(np.isfinite(answers["suspicion"]).all())
            np.testing.assert_array_equal(answers["scores"].argmax(axis=1), answers["label"])
            close = 1e-5 if strength > 100 else 0.05 if precision == "full_integer" else 5e-3
            np.testing.assert_allclose(answers["suspicion"], scores, atol=close)
            expected = detector.predict(images.astype(np.float32), verbose=0).argmax(1)
            near = np.abs(scores - threshold) < close
            np.testing.assert_array_equal(answers["label"][~near], expected[~near])
            self.assertGreaterEqual(np.sum(answers["label"] == _CLASSES), 10)

    def _with_novelty(self, novelty: Novelty, threshold: float = 0.6) -> keras.Model:
        """A detector whose two nets are the same, so that novelty alone decides."""
        return build_detector(self.badnet, self.badnet, UNIT_SCALE, threshold, novelty)

    @parameterized.parameters(*PRECISIONS)
    def test_novelty_is_as_in_keras_whatever_its_weight(self, precision):
        images = _images(40, seed=3)
        novelty = _novelty(images)
        # Half precision has neither of these numbers, but the small one is there, too, in what it multiplies.
        novelty = dataclasses.replace(novelty, whitening=novelty.whitening * 2**-10, weight=2.0**20)
        images = np.concatenate([images, np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)])
        scores = build_scorer(self.badnet, self.badnet, UNIT_SCALE, novelty).predict(images.astype(np.float32))[2]
        self.assertBetween(int(np.sum(scores > 0.6)), 30, 60)
        path = self._written(convert_detector(self._with_novelty(novelty), images[:40], precision))
        for runtime in RUNTIMES:
            answers = _answers(path, images, runtime)
            np.testing.assert_allclose(answers["suspicion"], scores, atol=1e-3)
            np.testing.assert_array_equal(answers["label"] == _CLASSES, answers["suspicion"] > np.float32(0.6))

    @parameterized.parameters("int8", "float16", "float32")
    def test_novelty_that_is_not_finite_is_flagged(self, precision):
        novelty = _novelty(_images(20))
        novelty.whitening[0] = np.nan
        path = self._written(convert_detector(self._with_novelty(novelty, 1.0), None, precision))
        for runtime in RUNTIMES:
            answers = _answers(path, _images(3), runtime)
            np.testing.assert_array_equal(answers["suspicion"], np.ones(3))
            np.testing.assert_array_equal(answers["label"], np.full(3, _CLASSES))

    @parameterized.parameters("int8", "float16", "float32")
    def test_what_a_net_has_no_finite_answer_to_is_flagged(self, precision):
        image = keras.Input(_SHAPE)
        # No image is below 0, so that this is the softmax of NaN: what a damaged or a trained network may come to.
        nothing = tf.math.log(-1 - keras.layers.GlobalAveragePooling2D()(image))
        undefined = keras.Model(image, keras.layers.Softmax()(keras.layers.Concatenate()([nothing, nothing[:, :1]])))
        detector = build_detector(undefined, self.repaired, UNIT_SCALE, 1.0)
        images = _images(3)
        for runtime in RUNTIMES:
            answers = _answers(self._written(convert_detector(detector, None, precision)), images, runtime)
            np.testing.assert_array_equal(answers["suspicion"], np.ones(3))
            np.testing.assert_array_equal(answers["label"], np.full(3, _CLASSES))
            np.testing.assert_array_equal(answers["scores"].argmax(axis=1), np.full(3, _CLASSES))
        # A plain classifier has no class to say so with: the check of its file does.
        path = self._written(convert_classifier(undefined, UNIT_SCALE, None, precision))
        with self.assertRaisesRegex(InputError, "its confidence is nan on 3 of 3 images"):
            check_classifier_parity(undefined, UNIT_SCALE, path, images)

    @parameterized.parameters(*PRECISIONS)
    def test_the_threshold_keeps_its_digits(self, precision):
        # Of thresholds that half precision takes for one, each parts what lies on its two sides.
        images = _images(40)
        for threshold in (0.9601, 0.96013):
            detector = build_detector(self.badnet, self.repaired, UNIT_SCALE, threshold)
            answers = _answers(self._written(convert_detector(detector, images, precision)), images)
            np.testing.assert_array_equal(answers["label"] == _CLASSES, answers["suspicion"] > np.float32(threshold))

    @parameterized.product(precision=PRECISIONS, runtime=RUNTIMES)
    def test_takes_several_images_at_once_and_is_made_of_few_operations(self, precision, runtime):
        images = _images(8)
        path = self._written(convert_detector(self._with_novelty(_novelty(images)), images, precision))
        given = path + ".npy"
        np.save(given, images)
        done = subprocess.run(
            [sys.executable, "-c", _AT_ONCE, runtime, path, given], capture_output=True, text=True, check=True
        )
        operations, constants, found = json.loads(done.stdout)
        self.assertContainsSubset(set(operations), _OPERATIONS | {"DELEGATE"})
        self.assertEqual(constants, [_CLASSES])
        labels = _answers(path, images, runtime)["label"]
        self.assertIn(labels.tolist(), found)

    def test_some_are_flagged_and_some_are_not(self):
        # Else the parity above would be of constants.
        labels = self.detector.predict(_images(60).astype(np.float32), verbose=0).argmax(1)
        self.assertBetween(int(np.sum(labels == _CLASSES)), 10, 50)
        self.assertGreater(len(set(labels)), 2)

    def test_full_integer_takes_raw_pixels_and_keeps_feature_maps_in_int8(self):
        tinted = _images(20)[:, ::-1] // 2 + 40
        path = self._written(convert_detector(self.detector, tinted, "full_integer"))
        _, inputs, _, types = _describe(RUNTIMES[0], path)
        self.assertEqual(inputs["image"][2], [1.0, 0])
        self.assertLessEqual(set(types), {"int8", "uint8", "int32"})

    def test_what_clean_images_never_excite_is_in_the_range_of_full_integer(self):
        # What saw a white corner sees a magenta one, in twenty times the others' range. Neither clean images excite it,
        # nor black and white ones.
        parts = take_apart(case_detector())
        for net in (parts.badnet, parts.repaired):
            kernel, bias, weights, offset = net.get_weights()
            kernel[..., -1], bias[-1] = [20, -20, 20], -20
            weights.reshape(8, 8, -1, 3)[:, :, -1] /= 20
            net.set_weights([kernel, bias, weights, offset])
        detector = build_detector(parts.badnet, parts.repaired, UNIT_SCALE, 0.5)
        images, labels = map(np.array, zip(*case_images().values(), strict=True))
        clean = np.repeat(images[labels != BACKDOOR], 40, axis=0)
        images[labels == BACKDOOR, -2:, -2:, 1] = 0
        answers = device_answers(convert_detector(detector, clean, "full_integer"), images, images.shape[1:])
        self.assertEqual(answers["label"].tolist(), labels.tolist())

    def test_clean_images_take_out_what_rounding_shifts(self):
        # One large weight, on a pixel that is always black, makes steps of 0.01: what class 0 has more is rounded off.
        images = _images(150)
        images[:, 0, 0, 0] = 0
        kernel = np.random.default_rng(0).integers(-9, 10, (np.prod(_SHAPE), _CLASSES)) / 100
        kernel[:, 0] += 4e-3
        kernel[0] = 1.27
        net = keras.Sequential([keras.layers.Input(_SHAPE), keras.layers.Flatten(), keras.layers.Dense(_CLASSES)])
        net.set_weights([kernel, -(images / 255).reshape(len(images), -1).mean(0) @ kernel])
        with_images, without = (
            check_classifier_parity(
                net, UNIT_SCALE, self._written(convert_classifier(net, UNIT_SCALE, given)), images[:50]
            )
            for given in (images[50:], None)
        )
        self.assertGreater(without.mean_difference, 0.02)
        self.assertLess(with_images.mean_difference, without.mean_difference / 2)
        self.assertGreater(with_images.same_label, without.same_label)

    def test_sizes(self):
        sizes = {p: len(convert_detector(self.detector, None, p)) for p in ("int8", "float16", "float32")}
        self.assertLess(sizes["int8"], sizes["float16"])
        self.assertLess(sizes["float16"], sizes["float32"])

    @parameterized.parameters(0.1, 0.9)
    def test_thresholds_among_answers_that_are_nearly_certain(self, share):
        # The repaired net's doubts, sharpened until an int8 softmax would say 0 or 1.
        sharp = _net(1, logits=True)
        kernel, bias = sharp.layers[-1].get_weights()
        sharp.layers[-1].set_weights([kernel * 60, bias * 60])
        images = _images(60)
        score = np.sort(build_scorer(self.badnet, sharp, UNIT_SCALE).predict(images.astype(np.float32), verbose=0)[2])
        threshold = float(score[round(share * len(score)) - 1 :][:2].mean())
        detector = build_detector(self.badnet, sharp, UNIT_SCALE, threshold)
        parity = check_parity(detector, self._written(convert_detector(detector)), images)
        self.assertGreaterEqual(parity.same_label, 58, str(parity))

    @parameterized.parameters("int8", "full_integer", "float32")
    def test_plain_classifier(self, precision):
        for scale in (BYTE_SCALE, mean_std_scale((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))):
            path = self._written(convert_classifier(self.repaired, scale, _images(30, seed=1), precision))
            _, inputs, outputs, _ = _describe(RUNTIMES[0], path)
            self.assertEqual(inputs["image"][:2], ["uint8", [1, *_SHAPE]])
            self.assertEqual({name: found[:2] for name, found in outputs.items()}, _CLASSIFIER_OUTPUTS)
            parity = check_classifier_parity(self.repaired, scale, path, _images(60))
            self.assertGreaterEqual(parity.same_label, 57, str(parity))
            self.assertIsNone(parity.same_claimed)

    def test_grey_images(self):
        shape = (9, 9, 1)
        detector = build_detector(_net(0, shape=shape), _net(1, shape=shape), UNIT_SCALE, 0.5)
        path = self._written(convert_detector(detector))
        images = np.random.default_rng(0).integers(0, 256, (20, *shape), np.uint8)
        self.assertLess(check_parity(detector, path, images).max_difference, 0.05)

    def test_errors(self):
        with self.assertRaisesRegex(InputError, "none given"):
            convert_detector(self.detector, None, "full_integer")
        with self.assertRaisesRegex(InputError, "expected uint8"):
            convert_detector(self.detector, [np.zeros((5, 5, 3), np.uint8)], "full_integer")
        with self.assertRaisesRegex(InputError, "no detector"):
            convert_detector(self.badnet)
        with self.assertRaisesRegex(ValueError, "float64"):
            convert_detector(self.detector, precision="float64")


_CLASSIFIER_OUTPUTS = {
    "label": ["int32", [1]],
    "confidence": ["float32", [1]],
    "scores": ["float32", [1, _CLASSES]],
}


if __name__ == "__main__":
    absltest.main()
