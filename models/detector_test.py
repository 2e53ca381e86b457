import gc
import os
import subprocess
import sys
import weakref

import numpy as np
from absl.testing import absltest, parameterized

from goodnet.data.errors import InputError
from goodnet.models.detector import build_detector, build_scorer, is_detector, suspicion, take_apart
from goodnet.models.input_scale import UNIT_SCALE, mean_std_scale
from goodnet.models.legacy_keras import keras, tf
from goodnet.models.loading.opening import open_model
from goodnet.models.novelty import FilterBank, Novelty, component_count, scale_count

_SHAPE = (8, 8, 3)
_CLASSES = 5


def _net(seed: int, logits: bool = False, classes: int = _CLASSES) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.layers.Input(_SHAPE),
            keras.layers.Conv2D(6, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(classes, None if logits else "softmax", name="classes"),
        ]
    )
    kernel, bias = model.get_layer("classes").get_weights()
    model.get_layer("classes").set_weights([kernel * 3, bias])
    return model


def _sure_net(label: int, slope: float, logits: bool = True) -> keras.Model:
    """Class 1, or another class by `slope` times the first pixel of a scaled image."""
    keras.utils.set_random_seed(0)
    last = keras.layers.Dense(_CLASSES, None if logits else "softmax")
    model = keras.Sequential([keras.layers.Input(_SHAPE), keras.layers.Flatten(), last])
    kernel, bias = np.zeros(last.kernel.shape, np.float32), np.zeros(_CLASSES, np.float32)
    kernel[0, label], bias[1] = slope, 0.5
    last.set_weights([kernel, bias])
    return model


def _images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *_SHAPE), np.uint8).astype(np.float32)


class DetectorTest(parameterized.TestCase):
    def test_suspicion_is_the_divergence_of_the_two_answers(self):
        badnet = np.array([[0.7, 0.3], [0.1, 0.9]])
        repaired = np.array([[0.6, 0.4], [0.8, 0.2]])
        divergence = [
            0.1 * np.log(0.7 / 0.6) + 0.1 * np.log(0.4 / 0.3),
            0.7 * np.log(0.8 / 0.1) + 0.7 * np.log(0.9 / 0.2),
        ]
        np.testing.assert_allclose(suspicion(badnet, repaired), np.divide(divergence, np.add(1, divergence)), rtol=1e-6)
        np.testing.assert_array_equal(suspicion(badnet, badnet), [0, 0])
        with self.assertRaises(ValueError):
            suspicion(badnet, repaired[:1])

    def test_a_certain_claim_is_more_suspicious_than_a_doubtful_one(self):
        repaired = np.array([[0.05, 0.95], [0.05, 0.95]])
        hard, triggered = suspicion(np.array([[0.7, 0.3], [1 - 1e-7, 1e-7]]), repaired)
        self.assertLess(hard, triggered)

    @parameterized.parameters(1.0, 30.0, 1e3, 1e30)
    def test_numpy_and_the_graph_agree_on_nets_however_sure(self, slope):
        badnet, repaired = _sure_net(2, slope), _sure_net(3, slope / 2)
        images = _images(40)
        images[:2, 0, 0, 0] = 0, 255
        answers = [tf.nn.softmax(net.predict(images / 255, verbose=0)).numpy() for net in (badnet, repaired)]
        score = build_scorer(badnet, repaired, UNIT_SCALE).predict(images, verbose=0)[2]
        np.testing.assert_allclose(score, suspicion(*answers), atol=1e-5)
        self.assertEqual(score[0], 0)
        self.assertLess(score.max(), 0.98)
        if slope > 100:
            self.assertGreater(score[1], 0.978)

    @parameterized.parameters(0.0, 0.5, 1.0)
    def test_what_a_net_has_no_finite_answer_to_is_flagged(self, threshold):
        # 255 / 255 times this is infinite, and the softmax of infinity is NaN.
        endless = float(np.finfo(np.float32).max) * 2
        images = np.zeros((3, *_SHAPE), np.float32)
        images[1:, 0, 0, 0] = 255
        for badnet, repaired in ((_sure_net(2, endless), _sure_net(3, 1)), (_sure_net(2, 1), _sure_net(3, endless))):
            score = build_scorer(badnet, repaired, UNIT_SCALE)(images[1:])[2].numpy()
            np.testing.assert_array_equal(score, [1, 1])
            scores = build_detector(badnet, repaired, UNIT_SCALE, threshold)(images[1:]).numpy()
            np.testing.assert_array_equal(scores, np.eye(_CLASSES + 1)[[_CLASSES, _CLASSES]])
        unknown = np.full((1, 2), np.nan, np.float32)
        np.testing.assert_array_equal(suspicion(unknown, np.float32([[0.5, 0.5]])), [1])

    def test_scorer_agrees_with_the_two_nets(self):
        badnet, repaired = _net(0), _net(1, logits=True)
        images = _images(40)
        claimed, label, score = build_scorer(badnet, repaired, UNIT_SCALE).predict(images, verbose=0)
        of_badnet = badnet.predict(images / 255, verbose=0)
        of_repaired = tf.nn.softmax(repaired.predict(images / 255, verbose=0)).numpy()
        np.testing.assert_array_equal(claimed, of_badnet.argmax(1))
        np.testing.assert_array_equal(label, of_repaired.argmax(1))
        np.testing.assert_allclose(score, suspicion(of_badnet, of_repaired), atol=1e-5)
        self.assertEqual((claimed.dtype, label.dtype, score.dtype), (np.int32, np.int32, np.float32))

    @parameterized.parameters(0.0, 1e-6, 0.3, 0.999999, 1.0)
    def test_argmax_is_class_n_exactly_above_the_threshold(self, threshold):
        badnet, repaired = _net(0), _net(1)
        images = _images(200)
        _, label, score = build_scorer(badnet, repaired, UNIT_SCALE).predict(images, verbose=0)
        found = build_detector(badnet, repaired, UNIT_SCALE, threshold).predict(images, verbose=0)
        self.assertEqual(found.shape, (200, _CLASSES + 1))
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
        np.testing.assert_array_equal(found.argmax(1), np.where(score > np.float32(threshold), _CLASSES, label))

    def test_scores_at_and_next_to_the_threshold(self):
        badnet, repaired = _net(0), _net(1)
        scorer, images = build_scorer(badnet, repaired, UNIT_SCALE), _images(60)
        for index in (0, 30):
            # By itself: in a batch, the last digit of a logarithm may differ.
            one = images[index : index + 1]
            _, (label,), (at,) = (answer.numpy() for answer in scorer(one))
            just_below = np.nextafter(at, np.float32(0))
            self.assertEqual(build_detector(badnet, repaired, UNIT_SCALE, at)(one).numpy().argmax(), label)
            self.assertEqual(build_detector(badnet, repaired, UNIT_SCALE, just_below)(one).numpy().argmax(), _CLASSES)

    def test_backdoor_score_orders_images_as_suspicion_does(self):
        badnet, repaired = _net(0), _net(1)
        images = _images(100)
        score = build_scorer(badnet, repaired, UNIT_SCALE).predict(images, verbose=0)[2]
        scores = build_detector(badnet, repaired, UNIT_SCALE, 0.7).predict(images, verbose=0)
        backdoor = scores[:, -1] / (scores[:, -1] + scores[:, :-1].max(1))
        self.assertTrue(np.all(np.diff(backdoor[np.argsort(score)]) >= -1e-6))

    def test_loads_without_this_project(self):
        scale = mean_std_scale((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
        detector = build_detector(_net(0), _net(1, logits=True), scale, 0.6)
        images = _images(10)
        folder = self.create_tempdir().full_path
        path, given, got = (os.path.join(folder, name) for name in ("detector.keras", "in.npy", "out.npy"))
        detector.save(path)
        np.save(given, images)
        code = (
            "import sys, numpy, tf_keras\n"
            "model = tf_keras.models.load_model(sys.argv[1])\n"
            "numpy.save(sys.argv[3], model(numpy.load(sys.argv[2])))"
        )
        environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": ""}
        subprocess.run([sys.executable, "-c", code, path, given, got], cwd=folder, env=environment, check=True)
        np.testing.assert_allclose(np.load(got), detector(images), atol=1e-6)

    def test_opens_as_a_suspect_does(self):
        # With the functions that a file may call, and no others.
        detector = build_detector(_net(0), _net(1, logits=True), UNIT_SCALE, 0.6)
        path = os.path.join(self.create_tempdir().full_path, "detector.keras")
        detector.save(path)
        opened = open_model(path, flat=False)
        self.assertTrue(is_detector(opened))
        np.testing.assert_array_equal(opened(_images(10)), detector(_images(10)))

    def test_taken_apart_after_loading(self):
        badnet, repaired = _net(0), _net(1, logits=True)
        path = os.path.join(self.create_tempdir().full_path, "detector.keras")
        build_detector(badnet, repaired, UNIT_SCALE, 0.123456789).save(path)
        parts = take_apart(keras.models.load_model(path))
        images = _images(10)
        self.assertEqual(parts.threshold, float(np.float32(0.123456789)))
        np.testing.assert_allclose(parts.input_scale(images), images / 255, rtol=1e-6)
        np.testing.assert_allclose(parts.badnet(images / 255), badnet(images / 255), atol=1e-6)
        np.testing.assert_allclose(parts.repaired(images / 255), tf.nn.softmax(repaired(images / 255)), atol=1e-6)
        expected = build_scorer(badnet, repaired, UNIT_SCALE).predict(images, verbose=0)
        for mine, theirs in zip(parts.scorer.predict(images, verbose=0), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-6)

    def test_one_net_as_both_survives_saving(self):
        # A repair that had nothing to do gives back the model it was given.
        net = _net(0)
        path = os.path.join(self.create_tempdir().full_path, "detector.keras")
        build_detector(net, net, UNIT_SCALE, 0.99).save(path)
        parts = take_apart(keras.models.load_model(path))
        for mine, theirs in zip(parts.repaired.get_weights(), net.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)

    def test_holds_copies_and_never_trains(self):
        badnet, repaired = _net(0), _net(1)
        detector = build_detector(badnet, repaired, UNIT_SCALE, 0.5)
        images = _images(5)
        before = detector(images).numpy()
        repaired.set_weights([np.zeros_like(weights) for weights in repaired.get_weights()])
        np.testing.assert_array_equal(detector(images), before)
        # Dropout and batch statistics stay out of it even where somebody asks for training.
        np.testing.assert_allclose(detector(images, training=True), before, atol=1e-6)

    def test_parts_are_made_once_and_go_with_their_detector(self):
        detector = build_detector(_net(0), _net(1), UNIT_SCALE, 0.5)
        parts = take_apart(detector)
        self.assertIs(take_apart(detector), parts)
        scorer = weakref.ref(parts.scorer)
        del detector, parts
        gc.collect()
        self.assertIsNone(scorer())

    def test_a_suspect_with_layers_of_the_same_names_is_no_detector(self):
        image = keras.Input(_SHAPE)
        flat = keras.layers.Flatten(name="input_scale")(image)
        hidden = keras.layers.Dense(4, "relu", name="badnet")(flat)
        hidden = keras.layers.Dense(4, "relu", name="repaired")(hidden)
        for last in (
            keras.layers.Dense(_CLASSES, "softmax", name="threshold"),
            keras.layers.Rescaling(1.0, -0.5, name="threshold"),
        ):
            suspect = keras.Model(image, last(hidden))
            self.assertFalse(is_detector(suspect))
            with self.assertRaisesRegex(InputError, "no detector"):
                take_apart(suspect)
        self.assertTrue(is_detector(build_detector(_net(0), _net(1), UNIT_SCALE, 0.5)))

    def test_a_second_signal_that_is_built_otherwise_is_no_detector(self):
        channels, components = _SHAPE[-1], component_count(_SHAPE[-1])
        filters = (np.ones((5, 5, 2), np.float32),) * components
        bank = FilterBank(np.ones((channels, components), np.float32), filters)
        count = channels + 2 * components * scale_count(_SHAPE)
        novelty = Novelty(bank, np.zeros(count, np.float32), np.ones(count, np.float32), np.eye(count, dtype="f4"))
        detector = build_detector(_net(0), _net(1), UNIT_SCALE, 0.5, novelty)
        self.assertTrue(is_detector(detector))
        for name, wrong in (("weight", [0.5, 0.5]), ("weight", -1.0), ("standard", 2.0)):
            layer = detector.get_layer("novelty").get_layer(name)
            right, layer.scale = layer.scale, wrong
            with self.assertRaisesRegex(InputError, "no detector"):
                take_apart(detector)
            layer.scale = right
        detector.get_layer("novelty").get_layer("whitening")._name = "other"
        self.assertFalse(is_detector(detector))

    def test_misfits_are_refused(self):
        with self.assertRaisesRegex(InputError, "classes"):
            build_detector(_net(0), _net(1, classes=4), UNIT_SCALE, 0.5)
        for threshold in (-0.1, 1.1, float("nan")):
            with self.assertRaisesRegex(InputError, "threshold"):
                build_detector(_net(0), _net(1), UNIT_SCALE, threshold)
        with self.assertRaisesRegex(InputError, "no detector"):
            take_apart(_net(0))


if __name__ == "__main__":
    absltest.main()
